/* Sums of what a file says: the most that there is, rather than too little. */
#ifndef WEIR_LOAD_SUMS_H
#define WEIR_LOAD_SUMS_H

#include <stdint.h>

static inline void add_to(uint64_t *sum, uint64_t more) {
    if (__builtin_add_overflow(*sum, more, sum)) *sum = UINT64_MAX;
}

#endif
