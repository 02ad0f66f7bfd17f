/* Marking: which blocks memory leads to. A word leads to the block that it points into; words are where the processor
 * keeps pointers, at multiples of 8. */
#ifndef WEIR_SCAN_MARK_H
#define WEIR_SCAN_MARK_H

#include "shim/scan/blocks.h"
#include "shim/scan/whose.h"

/* False: no memory for the blocks that wait to be looked at. */
bool mark_begin(void);
void mark_end(void);
bool mark_is_at(uintptr_t address); /* what waits lies there: no root */

/* A part of the arena that cannot be read, which a program may have made so: by address, before any marking. Only what
 * lies in blocks counts. False: there are too many. */
bool mark_leave_out(uintptr_t from, uintptr_t end);

/* Nothing of [from, end) was left out. */
bool mark_may_read(uintptr_t from, uintptr_t end);

/* The blocks that these words of a root lead to are reached now, and what those lead to, and so on. What is reached,
 * or possible, is never put in a later plane. */
void mark_words(const uint64_t *words, size_t count, struct root root);

/* The same of code, whose instructions have words at any byte. */
void mark_code(const char *bytes, size_t size, struct root root);

/* As if a word led to it; itself it is put in no plane. */
void mark_from(const struct block *block, enum blocks_plane plane);

/* What the parts of blocks lead to that are in the plane by themselves, see parts_begin_plane. */
void mark_parts(enum blocks_plane plane);

uint64_t mark_bytes(void); /* looked at, of blocks */

#endif
