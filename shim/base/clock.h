/* Time without libc: the vDSO's clock, found once; the system call where there is none. */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H

#include "shim/base/base.h"

void clock_start(void);
uint64_t clock_coarse(void);   /* CLOCK_MONOTONIC_COARSE, ns; a few ms behind, a few ns to read */
uint64_t clock_now(void);      /* CLOCK_MONOTONIC, ns */
uint64_t clock_realtime(void); /* CLOCK_REALTIME, ns */

#endif
