/* See held.h. */
#include "shim/arena/held.h"
#include "shim/base/signals.h"
#include "shim/base/sys.h"

_Atomic bool held_signals_wanted;
static _Atomic uint32_t given_up;

void held_take_signals(void) {
    if (signals_hold(&tls.signals)) tls.held |= HELD_SIGNALS;
}

void held_let_go(void) {
    if (tls.depth > 0) return;
    if (tls.held & HELD_SIGNALS) {
        tls.held &= (uint8_t)~HELD_SIGNALS;
        signals_set(tls.signals);
    }
    if (tls.within > 0 || !(tls.held & HELD_CANCEL)) return;
    tls.held &= (uint8_t)~HELD_CANCEL;
    /* Sent anew: glibc's handler believes what the process itself has sent. */
    (void)sys3(SYS_tgkill, sys_getpid(), sys_gettid(), CANCEL_SIGNAL);
}

void held_count_given_up(void) {
    if (atomic_fetch_add_explicit(&given_up, 1, memory_order_relaxed) + 1 == HELD_AFTER)
        atomic_store_explicit(&held_signals_wanted, true, memory_order_relaxed);
}
