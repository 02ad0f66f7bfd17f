/* The walk over the arena of a core, as shim/arena/walk.c makes it: each slab and run that there is, by address in its
 * zone. Descriptors are read in pieces. */
#ifndef WEIR_LOAD_CORE_WALK_H
#define WEIR_LOAD_CORE_WALK_H

#include "reporter/load/core/making.h"

#define PLACES_MOST 4096u /* of a slab */

enum span_kind {
    SPAN_SLAB,
    SPAN_RUN,
    SPAN_EMERGENCY, /* what is set aside for signal handlers: two slices, of which this is the first */
    SPAN_IDLE       /* nothing is there; some of it may be charged */
};

/* All of its places lie in its slices. */
struct span {
    enum span_kind kind;
    bool tracked;       /* places have entries */
    const char *d;      /* its descriptor, as long as it is seen */
    uint64_t start;     /* its address */
    uint64_t slice;     /* its number in the arena */
    uint64_t slices;    /* of its own, 1 at least */
    uint64_t committed; /* bytes that are charged for them */
    uint64_t sides;     /* and for their entries */
    uint64_t size;      /* bytes of a place */
    uint32_t places;    /* that exist so far; a run is one */
    uint64_t entries;   /* of a slab: address of the first place's, the others' follow */
};

/* Of a slab's word for what others have freed (section 4 of ARCHITECTURE.md): places on the list, its first one, and
 * whether its memory is being given back to the kernel, or was. */
struct remote {
    uint64_t count, first;
    bool given;
};
static inline struct remote walk_remote(const struct span *slab, const struct core_arena *t) {
    uint64_t word = word_of(slab->d, t->in_remote);
    return (struct remote){word >> 48, word & 0xfffffffffff0u, (word & 6) != 0};
}

/* Of the window; `end` is its start where it is impossible. */
struct window {
    uint64_t start, end, slices;
};
struct window walk_window(struct making *m);

void walk_spans(struct making *m, void (*see)(void *context, const struct span *span), void *context);

/* Calls `see` for each place of the list of free ones of a slab; a damaged link ends it. */
void walk_list(struct making *m, const struct span *slab, uint64_t first, void (*see)(void *context, uint64_t place),
               void *context);

#endif
