/* The quick way to a tracked block where every block is tracked, and back: places of the thread's own slabs, with
 * nothing out of the ordinary about them. It declines what is, and has done nothing then; track.c has all cases. */
#ifndef WEIR_TRACK_QUICK_H
#define WEIR_TRACK_QUICK_H

#include "shim/arena/arena.h"

/* After the options are read and the tables are there. */
void quick_start(void);

/* A block of n bytes, aligned to 16; its family is given. NULL: declined. */
void *quick_allocate(size_t n, enum family family, const void *frame);

/* The same between arena_enter and arena_leave, of a block that was drawn, and its stack taken. */
void *quick_make(size_t n, enum family family, uint32_t stack, struct draw draw, const void *frame);

/* False: declined. */
struct release;
bool quick_free(void *p, const struct release *by, const void *frame);

#endif
