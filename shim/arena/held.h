/* What waits until weir is left. Between arena_enter and arena_leave, and inside arena_within and arena_not_within:
 *
 *   HELD_CANCEL   a cancellation of the thread, whose type is asynchronous: it would unwind out of a list that is half
 *                 changed, or of a lock (entry/leave.c). Fast paths may be cut off anywhere, at the price of a block.
 *   HELD_SIGNALS  all signals, from inside arena_enter on, in a program whose handlers have left slow paths by jumps
 *                 before: each jump would cost a heap. Two system calls a slow path. */
#ifndef WEIR_ARENA_HELD_H
#define WEIR_ARENA_HELD_H

#include "shim/arena/layout.h"

#define CANCEL_SIGNAL 32 /* glibc's SIGCANCEL, the first real-time signal */

#define HELD_CANCEL   1u
#define HELD_SIGNALS  2u

/* So many heaps are given up before signals are held. */
#define HELD_AFTER 8u

extern _Atomic bool held_signals_wanted HIDDEN;

void held_take_signals(void);

/* Lets go of what waits for no more than where the thread is now. It may not come back. */
void held_let_go(void);

/* A cancellation comes as soon as so many are left: nobody will have what they made. */
ALWAYS_INLINE bool held_cancels_behind(uint32_t depth, uint32_t within) {
    return unlikely(tls.held & HELD_CANCEL) && tls.depth == depth && tls.within == within;
}

/* A heap was given up. */
void held_count_given_up(void);

/* Around what is no slow path, and where a signal handler is served as ever. */
ALWAYS_INLINE void arena_within(void) {
    tls.within++;
    atomic_signal_fence(memory_order_seq_cst);
}
ALWAYS_INLINE void arena_not_within(void) {
    atomic_signal_fence(memory_order_seq_cst);
    tls.within--;
    atomic_signal_fence(memory_order_seq_cst);
    if (unlikely(tls.held)) held_let_go();
}

#endif
