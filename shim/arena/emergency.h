/* The emergency slab: places for a signal handler that interrupted a slow path of its own thread. One slice, three
 * sizes, a bitmap word or more each; taking and giving are single atomic operations, so any code may interrupt any. */
#ifndef WEIR_ARENA_EMERGENCY_H
#define WEIR_ARENA_EMERGENCY_H

#include "shim/arena/layout.h"

bool emergency_start(void);
void *emergency_take(size_t n, size_t alignment); /* NULL: too large, or all taken */
void emergency_give(void *p);

/* The place that p lies in: its start and size; false: in none that is taken. */
bool emergency_find(const void *p, char **start, size_t *size);

#endif
