/* Random numbers and what is drawn by them, in integers: a program may watch the flags of floating point arithmetic, or
 * have it trap. Not for secrets. */
#ifndef WEIR_BASE_RANDOM_H
#define WEIR_BASE_RANDOM_H

#include "shim/base/base.h"

/* 64 bits, each as good as any other (splitmix64, Steele, Lea and Flood 2014). Any state may begin a sequence. */
ALWAYS_INLINE uint64_t random_next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Numbers with 16 bits above the point and 48 below. */
#define FIXED_ONE ((uint64_t)1 << 48)

/* Exponentially distributed, of mean 1; exact but for what lies below 2^-48. */
uint64_t random_exponential(uint64_t *state);

/* 1 - exp(-x) for a fixed x: in units of 2^-62, of which it is less than 8 off, or less than 2^-40 of itself. */
#define PROBABILITY_ONE ((uint64_t)1 << 62)
uint64_t probability_of(uint64_t x);

/* True with probability `part` of `whole`, which is not below it. */
bool random_is_below(uint64_t *state, uint64_t part, uint64_t whole);

/* n / p, rounded down; UINT64_MAX where that is more. */
uint64_t probability_divide(uint64_t n, uint64_t p);

/* The IEEE 754 binary32 (its bits) of 1 / p, for a probability in units of 2^-62 from 2^-46 on; rounded down. */
uint32_t float_of_inverse(uint64_t p);

#endif
