/* Parts of blocks that pools of the program's had given out (shim/box/pools.h), as a search sees them: what
 * shim/scan/parts.h says of them holds here. */
#ifndef WEIR_LOAD_CORE_PARTS_H
#define WEIR_LOAD_CORE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct making;
struct places;

struct part {
    uint64_t start, end; /* where the next one begins, at most */
    uint64_t size;       /* as it was given out */
    uint64_t time;
    uint32_t stack, thread;
    bool outside;   /* of all blocks */
    bool ignored;   /* it is no leak */
    bool inherited; /* its maker is the process that was forked */
};

struct parts {
    struct part *all; /* by where they begin */
    size_t count;
    unsigned char *bytes; /* a byte each as places have one, shared with the search; PLACE_LIVE: its memory is there */
};

/* Those that count, when the places are read. */
void parts_read(struct making *m, struct places *p);
void parts_end(struct parts *parts);

/* The first that ends after `from` and begins before `end`; NULL: none. */
const struct part *parts_first(const struct parts *parts, uint64_t from, uint64_t end);

#endif
