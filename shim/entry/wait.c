/* Calls with a relative timeout of whose rest the kernel does not tell: when each began is noted, so that it can go on
 * where weir's own signal interrupts it (base/interrupted.h). Those of sockets are only where a program has set a
 * timeout for one (SO_RCVTIMEO, SO_SNDTIMEO). Each stays libc's, found at start; before the constructor it is the
 * kernel's. */
#include "shim/base/interrupted.h"
#include "shim/base/sys.h"
#include "shim/entry/hooks.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <time.h>

static bool sockets_wait; /* some socket has a timeout of its own */

/* A function NAME of libc's, its parameters, its arguments, the system call that it makes and that one's arguments,
 * and when it is noted. */
#define HOOK(name, parameters, arguments, when, number, a, b, c, d, e, f)                                              \
    typedef int name##_function parameters;                                                                            \
    static name##_function *next_##name;                                                                               \
    EXPORT int name parameters {                                                                                       \
        if (when) interrupted_note(number, (uint64_t)(a), (uint64_t)(b));                                              \
        if (unlikely(!next_##name)) return (int)hooks_by_kernel(number, (long)(a), (long)(b), c, d, e, f);             \
        return next_##name arguments;                                                                                  \
    }

HOOK(epoll_wait, (int epfd, struct epoll_event *events, int maxevents, int timeout), (epfd, events, maxevents, timeout),
     timeout > 0, SYS_epoll_wait, epfd, events, maxevents, timeout, 0, 0)
HOOK(epoll_pwait, (int epfd, struct epoll_event *events, int maxevents, int timeout, const sigset_t *ss),
     (epfd, events, maxevents, timeout, ss), timeout > 0, SYS_epoll_pwait, epfd, events, maxevents, timeout, (long)ss,
     8)
HOOK(epoll_pwait2,
     (int epfd, struct epoll_event *events, int maxevents, const struct timespec *timeout, const sigset_t *ss),
     (epfd, events, maxevents, timeout, ss), timeout != NULL, SYS_epoll_pwait2, epfd, events, maxevents, (long)timeout,
     (long)ss, 8)
HOOK(sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *timeout), (set, info, timeout),
     timeout != NULL, SYS_rt_sigtimedwait, set, info, (long)timeout, 8, 0, 0)
HOOK(semtimedop, (int semid, struct sembuf *sops, size_t nsops, const struct timespec *timeout),
     (semid, sops, nsops, timeout), timeout != NULL, SYS_semtimedop, semid, sops, (long)nsops, (long)timeout, 0, 0)

HOOK(accept, (int fd, struct sockaddr *addr, socklen_t *addr_len), (fd, addr, addr_len), unlikely(sockets_wait),
     SYS_accept, fd, addr, (long)addr_len, 0, 0, 0)
HOOK(accept4, (int fd, struct sockaddr *addr, socklen_t *addr_len, int flags), (fd, addr, addr_len, flags),
     unlikely(sockets_wait), SYS_accept4, fd, addr, (long)addr_len, flags, 0, 0)
HOOK(connect, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len), unlikely(sockets_wait),
     SYS_connect, fd, addr, len, 0, 0, 0)

typedef int setsockopt_function(int fd, int level, int optname, const void *optval, socklen_t optlen);
static setsockopt_function *next_setsockopt;
EXPORT int setsockopt(int fd, int level, int optname, const void *optval, socklen_t optlen) {
    if (level == SOL_SOCKET && (optname == SO_RCVTIMEO || optname == SO_SNDTIMEO) && !sockets_wait) {
        sockets_wait = true;
        io_note_waits();
    }
    if (unlikely(!next_setsockopt))
        return (int)hooks_by_kernel(SYS_setsockopt, fd, level, optname, (long)optval, (long)optlen, 0);
    return next_setsockopt(fd, level, optname, optval, optlen);
}

#define FIND(name) *(void **)&next_##name = dlsym(RTLD_NEXT, #name)

void hook_waits(void) {
    FIND(epoll_wait);
    FIND(epoll_pwait);
    FIND(epoll_pwait2);
    FIND(sigtimedwait);
    FIND(semtimedop);
    FIND(accept);
    FIND(accept4);
    FIND(connect);
    FIND(setsockopt);
}
