/* The stacks that a dump names, numbered as they are named: what else the table holds, which may be a hundred times as
 * much, is left out. */
#ifndef WEIR_BOX_NAMED_H
#define WEIR_BOX_NAMED_H

#include "shim/box/writer.h"

struct named {
    uint32_t stacks;  /* ids below it are known */
    uint32_t count;   /* numbers below it are given out; 0 is no stack's */
    uint32_t *number; /* by id, 0: not named yet. NULL: no address space, and numbers are ids */
    uint32_t *id;     /* by number */
};

void named_start(struct named *n, uint32_t stacks);
void named_end(struct named *n);

/* The number of a stack, from here on; 0 for one that the dump cannot have. Before named_write. */
uint32_t named_number(struct named *n, uint32_t id);

/* The same of one that was named already; 0: it was not. */
uint32_t named_before(const struct named *n, uint32_t id);

/* The stack with the number. */
uint32_t named_id(const struct named *n, uint32_t number);

/* DUMP_FRAMES and DUMP_STACKS; the frames of no module are noted. */
struct jit;
void named_write(const struct named *n, struct writer *w, struct jit *jit);

#endif
