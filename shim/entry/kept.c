/* What the kernel keeps for the program may be all that leads to a block: what epoll, timers, queues of messages and
 * signals are to bring, and the stack that signals run on. A search of a running process asks for most of it
 * (scan/kernel.c); a core has none of it, so that its reader is told by a word that there was some (format_core.h), and
 * of a stack by the address. Calls stay libc's; those that a program makes by an instruction of its own are not seen.
 */
#include "shim/base/sys.h"
#include "shim/box/state.h"
#include "shim/entry/hooks.h"

#include <dlfcn.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

static bool is_block(const void *kept) {
    return (uintptr_t)kept - arena.base < arena.slices << SLICE_SHIFT;
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
static void note_event(const struct sigevent *event) {
    if (event && event->sigev_notify != SIGEV_THREAD) note_kept(event->sigev_value.sival_ptr);
}
/* In this library's data of the thread, where memory is searched, and a core is. */
static void note_stack(void) {
    stack_t now;
    if (sys2(SYS_sigaltstack, 0, (long)&now) == 0) tls.signals_stack = now.ss_flags & SS_DISABLE ? NULL : now.ss_sp;
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
     note_event(evp))
HOOK(mq_notify, (mqd_t mqdes, const struct sigevent *notification), (mqdes, notification), note_event(notification))
HOOK(sigqueue, (pid_t pid, int sig, const union sigval val), (pid, sig, val), note_sent(val.sival_ptr))
HOOK(pthread_sigqueue, (pthread_t threadId, int signo, const union sigval value), (threadId, signo, value),
     note_sent(value.sival_ptr))
HOOK(sigaltstack, (const stack_t *ss, stack_t *oss), (ss, oss), ss ? note_stack() : (void)0)

/* The same where it asks for them by syscall. */
long kept_by_syscall(long number, long a, long b, long c, long d, long e, long f) HIDDEN;
long kept_by_syscall(long number, long a, long b, long c, long d, long e, long f) {
    long result = seccomp_next_syscall(number, a, b, c, d, e, f);
    if (result != 0) return result;
    switch (number) {
    case SYS_epoll_ctl:
        if (b != EPOLL_CTL_DEL) note_kept(((const struct epoll_event *)d)->data.ptr);
        break;
    case SYS_timer_create:
    case SYS_mq_notify:
        note_event((const struct sigevent *)b);
        break;
    case SYS_rt_sigqueueinfo:
        note_sent(((const siginfo_t *)c)->si_ptr);
        break;
    case SYS_rt_tgsigqueueinfo:
        note_sent(((const siginfo_t *)d)->si_ptr);
        break;
    default: /* sigaltstack */
        if (a) note_stack();
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
}
