/* Names of code that no module has, from the perf map of the runtime that made it, into the dump: only those that some
 * frame of the dump needs. */
#ifndef WEIR_BOX_JIT_H
#define WEIR_BOX_JIT_H

#include "shim/box/contents.h"

struct jit {
    uint64_t *addresses; /* a hash table of them, 0: free; NULL: none yet */
    size_t count, size;  /* places, a power of two */
    bool full;
};

/* The frames of a stack that the dump has; `exact` as in struct dump_stack. */
void jit_note(struct jit *j, const uint64_t *frames, uint32_t count, uint64_t exact);

/* The section; `since` is when the process began, realtime. Gives the memory back. */
void jit_write(struct jit *j, struct contents *c, uint64_t since);

#endif
