/* Next to the fast paths: what they decline most often, without tracking's say. A list's last place, lists that change
 * places, sizes above SMALL_MAX, frees of larger places and of other threads' blocks. Not for tracked slabs. */
#ifndef WEIR_ARENA_NEAR_H
#define WEIR_ARENA_NEAR_H

#include "shim/arena/arena.h"

/* A block of at least n bytes, or NULL: take the slow path. */
void *arena_pop_near(size_t n);

/* True: p was an untracked place and is given back. False: anything else; nothing was done. */
bool arena_push_near(void *p);

/* The size of the untracked place that p is, 0: it is none. */
size_t arena_place_size(const void *p);

#endif
