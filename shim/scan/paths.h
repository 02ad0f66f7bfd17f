/* Why blocks are in use, or may be: for each site, and each way in which a block can be found, one path to the first of
 * its blocks that is found so. For whoever scans alone. */
#ifndef WEIR_SCAN_PATHS_H
#define WEIR_SCAN_PATHS_H

#include "shim/scan/blocks.h"
#include "shim/scan/whose.h"

#define PATHS_HALF (DUMP_STEPS_MOST / 2)
#define PATHS_FAR  (((uint64_t)1 << 28) - 1) /* words from a block's start; what lies further is not told apart */

struct paths_step {
    const char *start; /* of the block */
    uint64_t word;     /* where it lies in what comes before: the root's words, or the block of the step before */
};

/* Where there is no memory, no path is wanted. */
void paths_begin(void);
void paths_end(void);
bool paths_are_at(uintptr_t address); /* no root */

/* The number of a site's path, by plane and site; 0: it has none yet. NULL: none is wanted. */
extern HIDDEN uint32_t *paths_number;
extern HIDDEN uint32_t paths_sites;
bool paths_is_outdated(uint32_t number);

/* Whether the site has no such path yet. A block with a pointer behind its end may be found to be in use after all. */
ALWAYS_INLINE bool paths_are_wanted(enum blocks_plane how, const struct block *b) {
    if (!b->side || b->side->stack >= paths_sites) return false;
    uint32_t number = paths_number[(size_t)(how - BLOCKS_REACHED) * paths_sites + b->side->stack];
    return number == 0 || (how == BLOCKS_PAST && paths_is_outdated(number));
}

/* The path of the block's site in this plane. `count` steps, outermost first, the block's own last; `left_out` others
 * lie between the outermost PATHS_HALF and the rest. */
void paths_add(enum blocks_plane how, const struct block *b, const struct root *root, const struct paths_step *steps,
               size_t count, uint64_t left_out);

struct contents;
void paths_write(struct contents *c);

#endif
