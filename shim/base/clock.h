/* Time without libc: the vDSO's clock, found once; the system call where there is none. */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H

#include "shim/base/base.h"

#include <stdatomic.h>

void clock_start(void);
uint64_t clock_coarse(void); /* CLOCK_MONOTONIC_COARSE, ns; a few ms behind, a few ns to read */
uint64_t clock_now(void);    /* CLOCK_MONOTONIC, ns */

/* For what is made: clock_coarse, but not before the latest mark (box/marks.h), which may be ahead of it. */
extern _Atomic uint64_t clock_least;
ALWAYS_INLINE uint64_t clock_made(void) {
    uint64_t coarse = clock_coarse(), least = atomic_load_explicit(&clock_least, memory_order_relaxed);
    return coarse > least ? coarse : least;
}

uint64_t clock_realtime(void); /* CLOCK_REALTIME, ns */

#endif
