/* A pattern where nobody may write: behind the end of a tracked block, as far as its place reaches, and in a tracked
 * place while it is free. What is no longer there was written to. Only where WEIR_PATTERN says so. */
#ifndef WEIR_TRACK_PATTERN_H
#define WEIR_TRACK_PATTERN_H

#include "shim/arena/arena.h"

#define PATTERN_INTACT SIZE_MAX

/* Behind n bytes of the block's place. */
void pattern_end(const struct place *place, size_t n);
/* Where it was written to, from the block's start on: the first byte; PATTERN_INTACT. */
size_t pattern_end_damage(const struct place *place, size_t n);

/* The whole place, which no block holds any more and no list yet. */
void pattern_free(const struct place *place);
/* From byte `from` on: that of a place that a list has just given away had its link before it. */
size_t pattern_free_damage(const struct place *place, size_t from);

#endif
