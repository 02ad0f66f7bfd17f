/* See signals.h. */
#include "shim/base/signals.h"
#include "shim/base/sys.h"

#include <signal.h>

#define BIT(signal) (1ull << ((signal)-1))

bool signals_hold(uint64_t *before) {
    uint64_t hold = ~(BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGSYS));
    return sys4(SYS_rt_sigprocmask, SIG_BLOCK, (long)&hold, (long)before, sizeof hold) == 0;
}

void signals_set(uint64_t mask) {
    (void)sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, sizeof mask);
}
