/* What a root is: whose memory it lies in. Asked of few words only, those that paths begin with. */
#ifndef WEIR_SCAN_WHOSE_H
#define WEIR_SCAN_WHOSE_H

#include "shim/base/mapping.h"
#include "shim/box/format.h"

#define ROOT_MEMORY 0u /* an address, of which nothing else is known yet */

struct root {
    uint32_t kind;    /* enum dump_root, ROOT_MEMORY */
    uint64_t address; /* of the first of the words that are looked at; of an epoll its descriptor */
};

struct whose {
    enum dump_root kind;
    bool exact;       /* `place` is where a function was interrupted */
    uint32_t thread;  /* 0: not known, or of no thread */
    uint64_t place;   /* as in struct dump_path */
    const char *name; /* of the mapping, where that is all that is known; until the next mapping */
};

/* Registers that a stack can be followed from. */
struct whose_from {
    uintptr_t code, sp, bp;
    bool exact; /* it was interrupted there; else `code` is a return address */
};

/* The frame that a word of the stack lies in; `code` 0: that is not known. The room above's, which hands it over at
 * start; NULL: nobody knows. */
extern struct whose_from (*whose_frame)(struct whose_from from, uintptr_t word);

/* A search of memory begins. */
void whose_begin(void);

/* The roots to come are read from this mapping; NULL: from none of which anything is known. Both stay until the next.
 */
void whose_mapping(const struct mapping *m, const char *name);

struct whose whose_is(struct root word);

#endif
