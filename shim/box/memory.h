/* Where the process's memory is: what its address space holds, by kind, as much of it as is resident and as is charged.
 * For a dump: the address space is read when it begins, the arena's spans are added as they are walked. */
#ifndef WEIR_BOX_MEMORY_H
#define WEIR_BOX_MEMORY_H

#include "shim/arena/arena.h"
#include "shim/box/format.h"

/* Pages have to be looked at one by one; of a mapping that is larger than this, and cannot be touched, none is. */
#define MEMORY_UNTOUCHABLE (64 * MIB)

#define MEMORY_RANGES      16 /* of what is unaccounted, the largest */

struct memory {
    struct dump_memory rows[MEMORY_KINDS]; /* by kind */
    uint64_t unsure[MEMORY_KINDS];         /* bytes of them that may be the kernel's page of zeros */
    struct dump_unaccounted ranges[MEMORY_RANGES];
    uint32_t range_count;
    bool known;                             /* what is resident */
    uint32_t pid;                           /* whose address space it is */
    uint64_t rss_anon, rss_file, rss_shmem; /* the kernel's own words */
};

/* Of the process `pid`, which is this one, or the one that this is a copy of. */
void memory_begin(struct memory *m, uint32_t pid);
void memory_add_span(struct memory *m, const struct arena_span *span);
/* Whether the stack of a thread lies there, of the process that memory_begin was told of last, or this was. */
void memory_of_process(uint32_t pid);
uint32_t memory_process(void); /* that one, or this process */
bool memory_has_stack(uintptr_t from, uintptr_t end);
/* Whether the address lies in a loaded module. Its zeroed data lies behind its file's mappings. */
bool memory_is_of_module(uintptr_t address);

/* After the last span. Nothing that is touched from here on counts. */
void memory_seen(struct memory *m);
/* Bytes: what live blocks were asked for and what their places have; charged for tables, the loader, mappings. */
struct memory_sums {
    uint64_t asked, places, tables, loader, mappings;
};
void memory_end(struct memory *m, const struct memory_sums *sums);

#endif
