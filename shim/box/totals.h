/* What is added up of each stack, ever: blocks made and given back, how long they lived, how many were live when most
 * of all were. A row a heap and stack, which the heap's thread alone writes, plainly; readers add up the rows of a
 * stack.
 *
 *   1  row.allocations, bytes       the maker, when its entry is live; more where realloc makes the block larger
 *   2  row.frees, freed_bytes       who gives it back, in a row of its own, which may have more frees than allocations
 *   3  row.temporary                the same, where it is what the thread tracked last
 *   4  row.peak_blocks, peak_bytes  who notes a peak; one at a time
 *   5  the first row                everybody, atomically: what found no row of its own; likewise rows of threads that
 *                                   have no heap
 *   6  row.next, the first ones     filled before it is published, by compare-and-swap; none is ever taken away
 *
 * Additions are single instructions, so that a signal handler's come before or after. Blocks that a fork has left are
 * their maker's to count, as rows are. */
#ifndef WEIR_BOX_TOTALS_H
#define WEIR_BOX_TOTALS_H

#include "shim/arena/arena.h"
#include "shim/box/format.h"

bool totals_start(void);

/* The entry is live, or was until now, of a block that this process has made. */
void totals_made(const struct side *side);
void totals_freed(const struct side *side);

/* realloc has made it what it is, of a block of so many bytes that was drawn so and had the entry `old`. */
void totals_changed(const struct side *side, const struct side *old, uint64_t old_size, struct draw old_draw);

/* The same of one that a fork has left, of which only bytes are counted, for the next fork; NULL: it is gone. */
void totals_inherited_changed(const struct side *now, uint64_t old_size, struct draw old_draw);

/* In a child of fork, after its epoch has begun: nothing was live. */
void totals_forked(void);

/* --- for dumps --- */

/* Rows of this process, and none at those that it was forked from: NULL. */
uint32_t totals_count(void);
const struct dump_total *totals_at(uint32_t i);

/* As much is live as when the peak was last noted, or more. */
bool totals_are_at_peak(void);

#endif
