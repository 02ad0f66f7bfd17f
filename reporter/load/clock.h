/* The clock of dumps and boxes. */
#ifndef WEIR_LOAD_CLOCK_H
#define WEIR_LOAD_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_SECOND 1000000000u

/* CLOCK_MONOTONIC, ns. */
static inline uint64_t clock_monotonic(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * CLOCK_SECOND + (uint64_t)now.tv_nsec;
}

#endif
