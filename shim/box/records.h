/* Access records: where a tracked block was last touched. A list a block that has any, the newest first, in a table by
 * the block's address; blocks without records have no part in it, nor pay for it.
 *
 *   buckets[hash(block)] ── head of one block ──next── head of another ──next── 0
 *                             │older                     │older
 *                           node of the same            node
 *
 * A bit of the block's live entry (SIDE_RECORDED) says that a list may be there, so that a free knows by a word that it
 * has at hand. Laws:
 *
 *   1  A list is changed under the lock of its bucket's stripe, of which a thread holds one at most, and not while it
 *      unwinds, or asks the kernel for memory. A handler that has interrupted weir never waits for one.
 *   2  What a chain leads to is filled before the one store that leads to it, and taken out by one store before it
 *      serves something else. So a fork, or a jump out of a handler, finds chains in order; it loses a node at worst.
 *   3  A list holds for its block while the entry has the bit. Who sets the bit drops what an earlier block of this
 *      place has left, so that nothing depends on a free having dropped its list.
 *   4  Nodes that are free wait on their stripe's list; none ever goes back.
 *   5  `number` counts all records of a block. So the newest one's tells how many are not there any more. */
#ifndef WEIR_BOX_RECORDS_H
#define WEIR_BOX_RECORDS_H

#include "shim/arena/arena.h"
#include "shim/box/format.h"

#include <stdatomic.h>

/* Records are made. */
extern _Atomic bool records_on HIDDEN;

struct record {
    enum dump_record_kind kind;
    uint32_t detail; /* a descriptor; of RECORD_TOUCH: a hint's id */
    uint32_t stack, thread;
    uint64_t time; /* CLOCK_MONOTONIC, coarse, ns */
};

/* From here on they are, or are not any more; what was recorded stays. One at a time, at start or in a signal handler.
 * False: they cannot be, for lack of address space. */
bool records_set(bool wanted);

/* The place's block is touched. Not in a handler that has interrupted weir. False: there is no room. */
bool records_add(const struct place *place, const struct record *r);

/* The block is no more. `may_wait`: not in a handler that has interrupted weir. */
void records_drop(const void *block, bool may_wait);

/* It lives on there. */
void records_move(const void *from, const struct place *to);

/* One that could not be made. */
void records_count_lost(void);

/* The id of a hint, which is copied, the first HINT_MAX bytes of it: for ever, once for all that are alike. 0: it is
 * NULL or empty. hints.c */
#define HINT_MAX  200u
#define HINT_LOST UINT32_MAX /* there was no room */
bool hints_start(void);
uint32_t hint_id(const char *hint);

/* --- for dumps, without locks, beside threads that go on --- */

/* There may be some. */
bool records_any(void);

/* All hints one behind the other; where one lies there, and its length. */
const char *hints_all(size_t *length);
size_t hint_at(uint32_t id, size_t *length);

/* Each record, by block, newest first; of blocks that may be gone, too. */
void records_each(void (*see)(void *context, const void *block, uint64_t number, const struct record *r),
                  void *context);
uint64_t records_lost(void);

#endif
