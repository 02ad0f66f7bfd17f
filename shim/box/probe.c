/* See probe.h. The copy tells after each call that it still lives; the next one begins behind the call that ended it.
 */
#include "shim/box/probe.h"
#include "shim/base/base.h"
#include "shim/base/sys.h"
#include "shim/box/copy.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/uio.h>

enum { CALLS = 5 };
static const long calls[CALLS] = {SYS_rt_tgsigqueueinfo, SYS_restart_syscall, SYS_process_vm_readv, SYS_ppoll,
                                  SYS_epoll_pwait};

/* In a way that has no effect. */
static void make(long number) {
    siginfo_t info = {.si_code = SI_QUEUE};
    char byte = 0, other;
    struct iovec from = {&byte, 1}, to = {&other, 1};
    struct timespec none = {0, 0};
    long self = sys_getpid();
    switch (number) {
    case SYS_rt_tgsigqueueinfo: /* signal 0 only asks whether it could be sent */
        (void)sys_unfiltered(number, self, sys_gettid(), 0, (long)&info, 0, 0);
        break;
    case SYS_process_vm_readv:
        (void)sys_unfiltered(number, self, (long)&to, 1, (long)&from, 1, 0);
        break;
    case SYS_ppoll:
        (void)sys_unfiltered(number, 0, 0, (long)&none, 0, 8, 0);
        break;
    case SYS_epoll_pwait: /* of no descriptor */
        (void)sys_unfiltered(number, -1, 0, 0, 0, 0, 8);
        break;
    default: /* restart_syscall: there is nothing to be gone on with */
        (void)sys_unfiltered(number, 0, 0, 0, 0, 0, 0);
    }
}

/* How many from this one on a copy has survived; below 0: there can be no copy. */
static int survived(int from) {
    int ends[2], n = 0;
    char byte;
    if (sys2(SYS_pipe2, (long)ends, O_CLOEXEC) != 0) return -1;
    long id = copy_make();
    if (id == 0) {
        for (int i = from; i < CALLS; i++) {
            make(calls[i]);
            (void)sys3(SYS_write, ends[1], (long)"", 1);
        }
        sys_exit_group(0);
    }
    (void)sys1(SYS_close, ends[1]);
    while (!sys_failed(id) && sys3(SYS_read, ends[0], (long)&byte, 1) == 1) n++;
    (void)sys1(SYS_close, ends[0]);
    return sys_failed(id) ? -1 : n;
}

void probe_calls(void) {
    static _Atomic bool done;
    if (!filter_is_inherited() || atomic_exchange_explicit(&done, true, memory_order_relaxed)) return;
    for (int i = 0; i < CALLS; i++) {
        int n = survived(i);
        for (int k = i; n < 0 && k < CALLS; k++) filter_forbid(calls[k]);
        if (n < 0 || i + n >= CALLS) return;
        i += n;
        filter_forbid(calls[i]);
    }
}
