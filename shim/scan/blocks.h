/* The blocks that a scan looks at: all that are live as it begins, tracked or not, found from any word that may point
 * into one, and what is known of each. A bit a 16 bytes of the arena's used part and a plane; for whoever scans alone,
 * while nobody allocates. */
#ifndef WEIR_SCAN_BLOCKS_H
#define WEIR_SCAN_BLOCKS_H

#include "shim/arena/layout.h"

enum blocks_plane {
    BLOCKS_LIVE,     /* bits are those of where blocks begin */
    BLOCKS_REACHED,  /* from a root */
    BLOCKS_POSSIBLE, /* by what may be a pointer only */
    BLOCKS_INDIRECT, /* from a block that is itself not reached */
    BLOCKS_PAST,     /* something points just behind it */
    BLOCKS_AGAIN,    /* an earlier search did not reach it either, and it is as it was */
    BLOCKS_PLANES
};

struct block {
    char *start;
    size_t size;             /* bytes that may hold something: asked for, where it is tracked */
    const struct side *side; /* its entry; NULL: it is not tracked */
};

/* Finds all live blocks. False: no memory for the planes. blocks_end gives them back in any case. */
bool blocks_begin(void);
void blocks_end(void);
size_t blocks_count(void); /* live ones */

/* The live block that an address lies in. Also NULL where it lies just behind one; `past` is that one's start then. */
bool blocks_find(uintptr_t address, struct block *block, char **past);

/* Of a live block's start. Setting tells what it was. */
bool blocks_bit(enum blocks_plane plane, const char *start);
bool blocks_set(enum blocks_plane plane, const char *start);
bool blocks_bit_before(enum blocks_plane plane, const char *start); /* in one of those from BLOCKS_REACHED on */

/* Calls see for each live block, by address. */
void blocks_each(void (*see)(void *context, const struct block *block), void *context);

/* Moves *from on to the first address below `end` that lies in a slab or a run. False: there is none. */
bool blocks_next_span(uintptr_t *from, uintptr_t end);

/* What is set aside for signal handlers; 0: nothing is. Not told apart by block: a root, of two slices. */
uintptr_t blocks_emergency(void);

/* Where the planes lie: no root. */
bool blocks_are_at(uintptr_t address);

#endif
