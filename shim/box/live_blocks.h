/* WEIR_BOX=blocks: the box has live tracked blocks one by one, too (format_box.h, BOX_AT_BLOCKS). A block's record is
 * found by its entry: entries that lie side by side have records side by side, 128 of them a page of the area, and
 * which page that is stands in a table of the process's own. Records are written by whoever writes the entry. */
#ifndef WEIR_BOX_LIVE_BLOCKS_H
#define WEIR_BOX_LIVE_BLOCKS_H

#include "shim/arena/arena.h"

/* Blocks are written along. */
extern bool live_blocks_on HIDDEN;

/* At start, of an arena of so many bytes at most. Where there is no address space they are not. */
void live_blocks_start(size_t arena_bytes);

/* The entry is live now, or is what it is by realloc; of a block that this process has made. */
COLD void live_block_made(const struct side *side);

/* It is live no more, or about to be taken for another block. */
COLD void live_block_gone(const struct side *side);

/* The area is empty. */
void live_blocks_forget(void);

#endif
