/* Marking: which blocks of a core its memory leads to, as shim/scan/mark.c does it in a process. A word leads to the
 * block that it points into; words are where the processor keeps pointers, at multiples of 8. */
#ifndef WEIR_LOAD_CORE_MARK_H
#define WEIR_LOAD_CORE_MARK_H

#include "reporter/load/core/mapped.h"
#include "reporter/load/core/places.h"

struct mark {
    struct places *places;
    struct mapped memory, entries; /* one each, since both remember where they were */
    uint64_t *waiting;             /* where the blocks begin that are to be looked into */
    size_t count;
    size_t step;   /* bytes from one word to the next */
    uint64_t mask; /* bits of a word that count */
    unsigned char plane;
    uint64_t origin;        /* a block that does not lead to itself */
    size_t part_origin;     /* or a part */
    uint32_t *part_waiting; /* parts that are to be looked into */
    size_t part_count;
    bool with_parts; /* parts are no holes in roots */
    bool is_code;    /* roots are, whose instructions have words at any byte */
};

/* False: there is no memory. */
bool mark_begin(struct mark *mark, struct making *m);
void mark_end(struct mark *mark);

/* Words of a root: what they lead to is reached, and what that leads to, and so on. A mapped_see. */
void mark_root(void *context, const char *bytes, uint64_t n, uint64_t address);

/* The others, when all roots are marked: what is no leak, what is only possibly pointed to, what leaked ones lead to.
 */
void mark_rest(struct mark *mark);

/* Adds all up. */
void mark_sum(struct mark *mark);

#endif
