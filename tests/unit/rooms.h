/* What the unit tests of the arena share: the rooms above it, and the entries' way through it. */
#ifndef WEIR_TESTS_UNIT_ROOMS_H
#define WEIR_TESTS_UNIT_ROOMS_H

#include "shim/arena/arena.h"

extern _Atomic size_t rooms_charged;     /* bytes */
extern _Atomic size_t rooms_max;         /* the ceiling */
extern _Atomic unsigned rooms_corrupted; /* times that the arena complained */

void rooms_start(void);
void rooms_start_sampling(const struct sample_wishes *sample);

/* malloc and free as the entries have them, without tracking. */
void *rooms_take(size_t n);
void rooms_give(void *p);

#endif
