/* A core's memory where it lies in the file, mapped: for a search, which looks at every word once, in any order. A file
 * that becomes shorter is a SIGBUS: so only a process of its own does this. */
#ifndef WEIR_LOAD_CORE_MAPPED_H
#define WEIR_LOAD_CORE_MAPPED_H

#include "reporter/load/core/image.h"

struct mapped {
    const struct core *core;
    const char *file;
    const struct core_segment *last; /* that was asked for */
};

/* False: there is no address space for it. */
bool mapped_open(struct mapped *m, const struct core *core);
void mapped_close(struct mapped *m);

/* The bytes at the address, *there of them in one piece; NULL: the core has none. */
const char *mapped_at(struct mapped *m, uint64_t address, uint64_t *there);

/* A number; 0 where the core does not have it. */
uint64_t mapped_word(struct mapped *m, uint64_t address);

/* Calls `see` for each piece of [from, end) that the core has, but for holes of the file, which are zero. False: there
 * is some that it does not have. */
typedef void mapped_see(void *context, const char *bytes, uint64_t n, uint64_t address);
bool mapped_each(struct mapped *m, uint64_t from, uint64_t end, mapped_see *see, void *context);

#endif
