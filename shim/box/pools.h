/* Parts of blocks, or of the program's own mappings and data, that a pool of its own has given out (weir_pool_alloc),
 * each with what is known of a tracked block. A table by address:
 *
 *   buckets[hash(start / 256)] ── part ──next── part ──next── 0
 *
 * A bit of the live entry of the block around them (SIDE_POOLED) says that there may be some. Laws:
 *
 *   1  A chain is changed under the lock of its stripe, of which a thread holds one at most, and not while it
 *      unwinds, or asks the kernel for memory. A handler that has interrupted weir never waits for one.
 *   2  A part is filled before the one store that leads to it, and taken out by one store. So a fork, or a jump out
 *      of a handler, finds chains in order; it loses a part at worst.
 *   3  Parts of a block hold while it has the bit. Who sets it drops what an earlier block has left there; who frees
 *      the block drops its parts.
 *   4  What is free waits on its stripe's list; none ever goes back. */
#ifndef WEIR_BOX_POOLS_H
#define WEIR_BOX_POOLS_H

#include "shim/arena/arena.h"

#include <stdatomic.h>

#define POOLS_MAX ((size_t)1 << 20) /* parts, 32 bytes each; fewer where address space is limited */

extern _Atomic bool pools_on HIDDEN; /* parts are noted */

struct part {
    uintptr_t start;
    size_t size;
    uint64_t time; /* CLOCK_MONOTONIC, coarse, ns */
    uint32_t stack, thread;
    bool inherited; /* made before the process was forked */
    bool ignored;   /* as of ignored.h */
};

/* From here on they are, or are not. False: they cannot be, for lack of address space. */
bool pools_set(bool wanted);
bool pools_any(void); /* there may be some */

/* The part of the place's block, or with NULL of no block, begins; one that began there before is no more. Not in a
 * handler that has interrupted weir. False: there is no room. */
bool pools_add(const struct place *place, const struct part *part);

/* The one that begins there is no more, is no leak whatever becomes of it. False: there is none. */
bool pools_remove(const void *start);
bool pools_ignore(const void *start);

/* The block is no more, nor are its parts. `may_wait`: not in a handler that has interrupted weir. */
void pools_drop(const struct place *place, bool may_wait);

void pools_count_lost(void); /* one that could not be noted */

/* --- for dumps, without locks, beside threads that go on --- */

/* Each part, in no order. Only those count that lie in one live block with the bit, or in none. */
void pools_each(void (*see)(void *context, const struct part *part), void *context);
bool pools_holds(const struct part *part);
uint64_t pools_lost(void);

#endif
