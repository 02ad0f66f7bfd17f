/* Parts that pools of the program's have given out (box/pools.h), as a scan sees them: blocks of their own. A
 * word leads to the part that it points into, and to the block around it as ever; that one leads to nothing that lies
 * in its parts. What is of no block is no root. Where nothing leads to the block itself, what leads to it leads to its
 * parts. */
#ifndef WEIR_SCAN_PARTS_H
#define WEIR_SCAN_PARTS_H

#include "shim/box/format.h"
#include "shim/scan/blocks.h"

struct range {
    uintptr_t from, end;
};

/* Finds all live ones, after blocks_begin. False: no memory for them. parts_end gives it back in any case. */
bool parts_begin(void);
void parts_end(void);
bool parts_is_at(uintptr_t address); /* what is known of them lies there: no root */

extern size_t parts_count HIDDEN;
extern struct range parts_outside HIDDEN; /* where those lie that are of no block, and just behind; empty: none is */

/* The word leads to a part, if to any: it is in the plane now, unless it is in an earlier one, and waits. */
void parts_put(uintptr_t word, enum blocks_plane plane);
/* The same of all that begin in the range. */
void parts_put_all(uintptr_t from, uintptr_t end, enum blocks_plane plane);

/* One of those that wait. False: none does. */
bool parts_take(struct range *part);

/* The first that ends after `from` and begins before `end`; NULL: none. */
const struct range *parts_first(uintptr_t from, uintptr_t end);

/* Puts those in the plane that are to be looked at in it whatever leads to them: BLOCKS_REACHED, the ignored ones;
 * BLOCKS_POSSIBLE, those of which just the end is pointed to; BLOCKS_INDIRECT: none, but calls `look` with each that is
 * in no plane, while that is put in none itself. */
void parts_begin_plane(enum blocks_plane plane, void (*look)(const struct range *part));

/* Of one that begins there; UNKNOWN: it is younger than the scan. */
enum dump_verdict parts_verdict(uintptr_t start, bool certain);

/* Each that this process has made. */
void parts_each(void (*see)(void *context, const struct range *part), void *context);

#endif
