/* What the kernel keeps for the program may be all that leads to a block: what epoll, timers, queues of messages and
 * signals are to bring, and the stack that signals run on. A search of a running process asks for most of it
 * (scan/kernel.c); a core has none of it, so that its reader is told by a word that there was some (format_core.h), and
 * of a stack by the address. Nor has a core what the program has asked to leave out of it. Calls stay libc's; those
 * that a program makes by an instruction of its own are not seen.
 */
#include "shim/base/options.h"
#include "shim/base/sys.h"
#include "shim/box/state.h"
#include "shim/entry/hooks.h"

#include <dlfcn.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>

static bool is_block(const void *kept) {
    return ((uintptr_t)kept & ~options.scan.tags) - arena.base < arena.slices << SLICE_SHIFT;
}

/* Written once, as it lies among what everybody reads. */
static void note_kept(const void *kept) {
    if (!state_of_process.kernel_keeps && is_block(kept)) state_of_process.kernel_keeps = true;
}
static void note_sent(const void *kept) {
    if (!state_of_process.signals_keep && is_block(kept))
        state_of_process.kernel_keeps = state_of_process.signals_keep = true;
}
/* libc itself remembers what those lead to that are told by threads. */
static bool leads_on(const struct sigevent *event) {
    return event && event->sigev_notify != SIGEV_THREAD;
}
static void note_timer(const struct sigevent *event) {
    if (leads_on(event)) note_kept(event->sigev_value.sival_ptr);
}
static void note_queue(const struct sigevent *event) {
    if (leads_on(event) && is_block(event->sigev_value.sival_ptr))
        state_of_process.kernel_keeps = state_of_process.queues_keep = true;
}

/* For the reader of a core, in the thread's own data, inverted, so that they lead nowhere by themselves: the stack that
 * signals run on now, and blocks that were that before, of which one may be again: a handler that has changed it
 * changes nothing for when it has returned, nor does a child of vfork for its parent. */
static void note_stack(void) {
    stack_t now;
    uintptr_t *stacks = tls.signals_stacks, was = stacks[0];
    if (sys2(SYS_sigaltstack, 0, (long)&now) != 0) return;
    stacks[0] = now.ss_flags & SS_DISABLE ? 0 : ~(uintptr_t)now.ss_sp;
    if (was == 0 || was == stacks[0] || !is_block((const void *)~was)) return;
    for (size_t i = 1; i < TLS_SIGNALS_STACKS; i++) { /* it comes first, and the others move up to where it was */
        uintptr_t older = stacks[i];
        stacks[i] = was;
        if (older == stacks[1]) break;
        was = older;
    }
}

/* A function NAME of libc's, its parameters, its arguments, and what is noted where it succeeds. */
#define HOOK(name, parameters, arguments, note)                                                                        \
    typedef int name##_function parameters;                                                                            \
    static name##_function *next_##name;                                                                               \
    EXPORT int name parameters {                                                                                       \
        if (unlikely(!next_##name)) hook_kept();                                                                       \
        int result = next_##name arguments;                                                                            \
        if (result == 0) (void)(note);                                                                                 \
        return result;                                                                                                 \
    }

HOOK(epoll_ctl, (int epfd, int op, int fd, struct epoll_event *event), (epfd, op, fd, event),
     op != EPOLL_CTL_DEL ? note_kept(event->data.ptr) : (void)0)
HOOK(timer_create, (clockid_t clock_id, struct sigevent *evp, timer_t *timerid), (clock_id, evp, timerid),
     note_timer(evp))
HOOK(mq_notify, (mqd_t mqdes, const struct sigevent *notification), (mqdes, notification), note_queue(notification))
HOOK(sigqueue, (pid_t pid, int sig, const union sigval val), (pid, sig, val), note_sent(val.sival_ptr))
HOOK(pthread_sigqueue, (pthread_t threadId, int signo, const union sigval value), (threadId, signo, value),
     note_sent(value.sival_ptr))

/* It may fail with the new stack in force, where it cannot tell the old one. */
typedef int sigaltstack_function(const stack_t *ss, stack_t *oss);
static sigaltstack_function *next_sigaltstack;
EXPORT int sigaltstack(const stack_t *ss, stack_t *oss) {
    if (unlikely(!next_sigaltstack)) hook_kept();
    int result = next_sigaltstack(ss, oss);
    if (ss) note_stack();
    return result;
}

/* Not every libc has it. */
typedef int pidfd_send_signal_function(int pidfd, int sig, siginfo_t *info, unsigned flags);
static pidfd_send_signal_function *next_pidfd_send_signal;
EXPORT int pidfd_send_signal(int pidfd, int sig, siginfo_t *info, unsigned flags) {
    int result = next_pidfd_send_signal
                     ? next_pidfd_send_signal(pidfd, sig, info, flags)
                     : (int)hooks_by_kernel(SYS_pidfd_send_signal, pidfd, sig, (long)info, (long)flags, 0, 0);
    if (result == 0 && info) note_sent(info->si_ptr);
    return result;
}

/* An allocator of the program's may call it before anything can be looked up. */
typedef int madvise_function(void *addr, size_t len, int advice);
static madvise_function *next_madvise;
EXPORT int madvise(void *addr, size_t len, int advice) {
    int result = next_madvise ? next_madvise(addr, len, advice)
                              : (int)hooks_by_kernel(SYS_madvise, (long)addr, (long)len, advice, 0, 0, 0);
    if (unlikely(advice == MADV_DONTDUMP)) state_of_process.undumped = true;
    return result;
}

/* The same where it asks for them by syscall. */
long kept_by_syscall(long number, long a, long b, long c, long d, long e, long f) HIDDEN;
long kept_by_syscall(long number, long a, long b, long c, long d, long e, long f) {
    long result = seccomp_next_syscall(number, a, b, c, d, e, f);
    if (number == SYS_sigaltstack && a) note_stack();
    if (number == SYS_madvise && c == MADV_DONTDUMP) state_of_process.undumped = true;
    if (result != 0) return result;
    switch (number) {
    case SYS_epoll_ctl:
        if (b != EPOLL_CTL_DEL) note_kept(((const struct epoll_event *)d)->data.ptr);
        break;
    case SYS_timer_create:
        note_timer((const struct sigevent *)b);
        break;
    case SYS_mq_notify:
        note_queue((const struct sigevent *)b);
        break;
    case SYS_rt_sigqueueinfo:
    case SYS_pidfd_send_signal:
        if (c) note_sent(((const siginfo_t *)c)->si_ptr);
        break;
    case SYS_rt_tgsigqueueinfo:
        note_sent(((const siginfo_t *)d)->si_ptr);
        break;
    default:
        break;
    }
    return result;
}

#define FIND(name) *(void **)&next_##name = dlsym(RTLD_NEXT, #name)

void hook_kept(void) {
    FIND(epoll_ctl);
    FIND(timer_create);
    FIND(mq_notify);
    FIND(sigqueue);
    FIND(pthread_sigqueue);
    FIND(sigaltstack);
    FIND(pidfd_send_signal);
    FIND(madvise);
}
