/* Memory for a signal handler that interrupted a slow path of its own thread: a slab with places of three sizes, and
 * spans of slices set aside. Bitmaps both; taking and giving are single atomic operations, so any code may interrupt
 * any. */
#ifndef WEIR_ARENA_EMERGENCY_H
#define WEIR_ARENA_EMERGENCY_H

#include "shim/arena/layout.h"

/* Takes what it needs; does without what cannot be had. */
void emergency_start(void);
void *emergency_take(size_t n, size_t alignment); /* NULL: too large, or all taken */
void emergency_give(void *p);

/* The place that p lies in: its start and size; false: in none that is taken. */
bool emergency_find(const void *p, char **start, size_t *size);

/* A span of set-aside slices for a run; NULL: none so long is free. */
struct slab *emergency_take_span(size_t slices);

/* s is one of the slices set aside. */
bool emergency_has_span(const struct slab *s);

/* Takes it back, with its memory; false: s is not one of the slices set aside. */
bool emergency_give_span(struct slab *s, size_t slices);

#endif
