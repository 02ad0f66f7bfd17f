/* The ways out of the middle of weir: a thread's cancellation; pthread_exit, longjmp and exit in a signal handler that
 * has interrupted it.
 *
 * A cancellation waits where weir is inside (arena/held.h). Its signal's handler is glibc's, which is put in behind
 * sigaction's back, so it is taken over in the same way before the first one is sent. Of the others nobody comes back:
 * what they leave behind is given up before they go (arena_left_by_jump). */
#include "shim/base/sys.h"
#include "shim/entry/hooks.h"
#include "shim/entry/start.h"
#include "shim/track/jump.h"

#include <dlfcn.h>
#include <signal.h>
#include <ucontext.h>

/* glibc's jmp_buf begins with these; each is mixed with the thread's pointer guard and rotated. */
struct jump_buffer {
    uintptr_t rbx, mixed_rbp, r12, r13, r14, r15, mixed_rsp, mixed_pc;
};
#define ROTATED 17

typedef void jump_function(struct jump_buffer *, int);

static struct {
    int (*pthread_cancel)(pthread_t);
    void (*pthread_exit)(void *);
    void (*thrd_exit)(int), (*exit)(int), (*quick_exit)(int);
    jump_function *longjmp, *_longjmp, *siglongjmp, *__longjmp_chk;
} next;

void hook_leave(void) {
    *(void **)&next.pthread_cancel = dlsym(RTLD_NEXT, "pthread_cancel");
    *(void **)&next.pthread_exit = dlsym(RTLD_NEXT, "pthread_exit");
    *(void **)&next.thrd_exit = dlsym(RTLD_NEXT, "thrd_exit");
    *(void **)&next.exit = dlsym(RTLD_NEXT, "exit");
    *(void **)&next.quick_exit = dlsym(RTLD_NEXT, "quick_exit");
    *(void **)&next.longjmp = dlsym(RTLD_NEXT, "longjmp");
    *(void **)&next._longjmp = dlsym(RTLD_NEXT, "_longjmp");
    *(void **)&next.siglongjmp = dlsym(RTLD_NEXT, "siglongjmp");
    *(void **)&next.__longjmp_chk = dlsym(RTLD_NEXT, "__longjmp_chk");
}

/* --- cancellation --- */

struct kernel_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};
static void (*next_on_cancel)(int, siginfo_t *, void *);

/* The type of the thread's cancellation is asynchronous, or it waits in a system call where it may be cancelled. */
static void on_cancel(int number, siginfo_t *info, void *context) {
    bool genuine = info->si_code == SI_TKILL && (uint32_t)info->si_pid == sys_getpid();
    if (genuine && arena_is_inside()) {
        tls.held |= HELD_CANCEL;
        return;
    }
    /* Cleanup handlers allocate, before the thread's end. */
    uintptr_t self = tls.self;
    size_t limit = tls.limit;
    bool cut = tls.cut;
    tls.cut |= jump_is_weirs((uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP]);
    if (tls.heap && !arena_is_inside()) arena_open_gates();
    next_on_cancel(number, info, context);
    /* It was not to be. */
    tls.self = self;
    tls.limit = limit;
    tls.cut = cut;
}

static bool get_action(struct kernel_action *action) {
    return sys4(SYS_rt_sigaction, CANCEL_SIGNAL, 0, (long)action, sizeof action->mask) == 0;
}

/* glibc installs its handler and sends the first signal in one call. So that there is a handler, a thread is cancelled
 * that is none: of all that this looks like, pthread_cancel reads that it runs, and that it is cancelled already. */
#define NO_THREAD (16 * KIB)
static void have_handler_installed(void) {
    unsigned char *thread = sys_mmap(NULL, NO_THREAD, PROT_READ | PROT_WRITE, 0);
    if (!thread) return;
    for (size_t i = 0; i < NO_THREAD; i++) thread[i] = 0x7f;
    (void)next.pthread_cancel((pthread_t)thread);
    sys_munmap(thread, NO_THREAD);
}

static void take_over_handler(void) {
    static _Atomic bool done;
    struct kernel_action action;
    if (atomic_load_explicit(&done, memory_order_relaxed) || !get_action(&action)) return;
    /* Who was started by posix_spawn (make's children, popen's) begins with this signal ignored. */
    if ((uintptr_t)action.handler <= (uintptr_t)SIG_IGN) {
        have_handler_installed();
        if (!get_action(&action)) return;
    }
    if ((action.flags & SA_SIGINFO) && action.handler != on_cancel) {
        next_on_cancel = action.handler;
        action.handler = on_cancel;
        (void)sys4(SYS_rt_sigaction, CANCEL_SIGNAL, (long)&action, 0, sizeof action.mask);
    }
    atomic_store_explicit(&done, true, memory_order_relaxed);
}

EXPORT int pthread_cancel(pthread_t thread) {
    if (!next.pthread_cancel) hook_leave();
    arena_within();
    take_over_handler();
    arena_not_within();
    return next.pthread_cancel(thread);
}

/* --- the end of a thread, and jumps --- */

static COLD void leave(const void *frame, uintptr_t to) {
    if (to != UINTPTR_MAX && !jump_leaves_weir(frame, to)) return;
    jump_give_up();
    arena_leave(true);
}

/* All of the stack goes. */
ALWAYS_INLINE void before_exit(void) {
    if (!next.pthread_exit) hook_leave();
    if (unlikely(arena_is_interrupted())) leave(NULL, UINTPTR_MAX);
}

/* Each of these calls is a jump, so that no frame of weir's is on the stack when cleanup handlers run. */
EXPORT void pthread_exit(void *result) {
    before_exit();
    next.pthread_exit(result);
}
EXPORT void thrd_exit(int result) {
    before_exit();
    next.thrd_exit(result);
}

/* Exit handlers may wait for threads. */
EXPORT void exit(int status) {
    before_exit();
    next.exit(status);
}
EXPORT void quick_exit(int status) {
    before_exit();
    next.quick_exit(status);
}

static uintptr_t stack_pointer_of(const struct jump_buffer *to) {
    uintptr_t p = to->mixed_rsp, guard;
    __asm__("movq %%fs:0x30, %0" : "=r"(guard));
    return (p >> ROTATED | p << (64 - ROTATED)) ^ guard;
}

ALWAYS_INLINE void before_jump(const struct jump_buffer *to, const void *frame) {
    if (unlikely(!next.longjmp)) hook_leave();
    if (unlikely(arena_is_interrupted())) leave(frame, stack_pointer_of(to));
}

#define JUMP(name)                                                                                                     \
    EXPORT void name(struct jump_buffer *to, int value) {                                                              \
        before_jump(to, FRAME);                                                                                        \
        next.name(to, value);                                                                                          \
    }
JUMP(longjmp)
JUMP(_longjmp)
JUMP(siglongjmp)
JUMP(__longjmp_chk)
