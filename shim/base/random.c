/* See random.h. */
#include "shim/base/random.h"

typedef unsigned __int128 wide;

/* J. von Neumann's way (1951), by comparisons alone: the first of a falling sequence of uniform numbers is the fraction
 * where that sequence has an odd length; each one of even length adds 1. */
uint64_t random_exponential(uint64_t *state) {
    for (uint64_t whole = 0;; whole += FIXED_ONE) {
        uint64_t first = random_next(state), last = first;
        for (bool odd = true;; odd = !odd) {
            uint64_t next = random_next(state);
            if (next > last && odd) return whole + (first >> 16);
            if (next > last) break;
            last = next;
        }
    }
}

static uint64_t multiply(uint64_t a, uint64_t b) {
    return (uint64_t)((wide)a * b >> 62);
}

/* By the series where x is small; then q(2x) = q(x) * (2 - q(x)). */
#define SERIES_MAX (FIXED_ONE >> 5)
#define X_MAX      (FIXED_ONE * 44) /* from here on it is 1, as far as 62 bits tell */
uint64_t probability_of(uint64_t x) {
    unsigned halved = 0;
    if (x >= X_MAX) return PROBABILITY_ONE;
    while (x >> halved >= SERIES_MAX) halved++;
    uint64_t y = (uint64_t)((wide)x << 14 >> halved), q = PROBABILITY_ONE;
    for (uint64_t n = 7; n > 1; n--) q = PROBABILITY_ONE - multiply(y, q) / n; /* 1 - y/2 (1 - y/3 (1 - ... */
    q = multiply(y, q);
    for (; halved > 0; halved--) q = multiply(q, 2 * PROBABILITY_ONE - q);
    return q;
}

bool random_is_below(uint64_t *state, uint64_t part, uint64_t whole) {
    return (uint64_t)((wide)random_next(state) * whole >> 64) < part;
}

uint64_t probability_divide(uint64_t n, uint64_t p) {
    wide quotient = ((wide)n << 62) / p;
    return quotient >> 64 ? UINT64_MAX : (uint64_t)quotient;
}

uint32_t float_of_inverse(uint64_t p) {
    uint64_t inverse = (uint64_t)(((wide)PROBABILITY_ONE << 17) / p); /* in units of 2^-17: below 2^63 */
    unsigned high = 63u - (unsigned)__builtin_clzl(inverse);
    uint64_t mantissa = high >= 23 ? inverse >> (high - 23) : inverse << (23 - high);
    return (uint32_t)((127 + high - 17) << 23 | (mantissa & 0x7fffff));
}
