/* The places of a core's arena: which of them hold a block, found from any word that may point into one, and what a
 * search finds out of each. A byte a place, in memory that the search, a process of its own, shares. */
#ifndef WEIR_LOAD_CORE_PLACES_H
#define WEIR_LOAD_CORE_PLACES_H

#include "reporter/load/core/parts.h"
#include "reporter/load/core/walk.h"

/* Of a place's byte. */
#define PLACE_LIVE     1u  /* a block is there */
#define PLACE_REACHED  2u  /* from a root */
#define PLACE_POSSIBLE 4u  /* by what may be a pointer only */
#define PLACE_INDIRECT 8u  /* from a block that is itself not reached */
#define PLACE_PAST     16u /* something points just behind it */
#define PLACE_IGNORED  32u /* the program has said that it is no leak */

#define PLACE_NONE     UINT64_MAX

struct places_span {
    uint64_t first;      /* the number of its first place */
    uint64_t start, end; /* of its places */
    uint64_t size;       /* bytes of one */
    uint64_t entries;    /* address of the first one's entry, the others' follow; 0: they have none */
    uint64_t lists[3];   /* of free places; where there are no entries */
};

struct places_sums {
    uint32_t done;  /* 1: the search has come to its end */
    uint32_t lacks; /* SCAN_LACKS_… */
    uint64_t root_bytes, block_bytes;
    uint64_t charged_spans, mapped_spans;                     /* of pages that the program has mapped */
    uint64_t blocks[DUMP_IN_USE + 1], bytes[DUMP_IN_USE + 1]; /* live ones by verdict */
};

/* Where a word lies that is not in memory: a register's in a note, so many bytes in, or what a thread handles signals
 * on; of which note or thread, by number. */
#define FROM_REGISTERS    ((uint64_t)1 << 63)
#define FROM_SIGNALS      ((uint64_t)1 << 62)
#define FROM_NO_MEMORY    (FROM_REGISTERS | FROM_SIGNALS)
#define FROM_SHIFT        20
#define FROM_OF(kind, i)  ((kind) | (uint64_t)(i) << FROM_SHIFT)
#define FROM_NUMBER(from) (((from) & ~FROM_NO_MEMORY) >> FROM_SHIFT)
#define FROM_OFFSET(from) ((from) & (((uint64_t)1 << FROM_SHIFT) - 1))

struct places {
    struct window window;
    uint64_t slice; /* bytes of one */
    struct places_span *spans;
    size_t count, capacity;
    struct places_leaf {
        uint32_t *numbers; /* of its slices' spans, plus one; NULL: all have the same */
        uint32_t number;
    } * leaves;
    uint64_t emergency[4];
    size_t emergencies;
    uint64_t all, live;       /* places; those with a block */
    struct places_sums *sums; /* shared; behind it the bytes; NULL: there is no memory for them */
    unsigned char *bytes;
    uint64_t *from; /* shared, too: by place, where the word lies that led to its block; 0: none did, or no memory */
    struct parts parts; /* of blocks, by pools of the program's */
};

void places_read(struct making *m, struct places *p);
void places_end(struct places *p);

/* The span of the slice that an address of the window lies in; NULL: none. */
#define PLACES_LEAF_SHIFT 10
static inline const struct places_span *places_span(const struct places *p, uint64_t address) {
    uint64_t slice = (address - p->window.start) / p->slice;
    const struct places_leaf *leaf = &p->leaves[slice >> PLACES_LEAF_SHIFT];
    uint32_t number = leaf->numbers ? leaf->numbers[slice & ((1u << PLACES_LEAF_SHIFT) - 1)] : leaf->number;
    return number ? &p->spans[number - 1] : NULL;
}

/* The number of the place that begins at the address, PLACE_NONE: none does. */
uint64_t places_number(const struct places *p, uint64_t address);

/* Where a place begins that has the number. */
const struct places_span *places_span_of(const struct places *p, uint64_t number);

/* The place that the address lies in, and its entry. NULL: there is none that has one. */
const struct places_span *places_entry(struct core *core, const struct places *p, uint64_t address,
                                       struct core_side *side);

/* Bytes of a tracked block that may hold something: asked for, and not more than its place has. */
static inline uint64_t places_size(const struct places_span *s, const struct core_side *side) {
    return CORE_SIZE(side) < s->size ? CORE_SIZE(side) : s->size;
}

/* The number of the place with a live block that the address lies in; PLACE_NONE: it lies in none. */
uint64_t places_block(const struct places *p, uint64_t address);

/* What the search has found of the block that begins there. */
enum dump_verdict places_verdict(const struct places *p, uint64_t address);
enum dump_verdict places_verdict_of(const struct places *p, unsigned char byte);

#endif
