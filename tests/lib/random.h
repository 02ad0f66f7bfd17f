/* Numbers that are the same in each run: xorshift64 (Marsaglia, Journal of Statistical Software 8, 2003). */
#ifndef WEIR_TESTS_RANDOM_H
#define WEIR_TESTS_RANDOM_H

#include <stdint.h>

static uint64_t random_state = 88172645463325252u; /* never 0 */

static inline uint64_t random_below(uint64_t limit) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return limit ? random_state % limit : 0;
}

#endif
