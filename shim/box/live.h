/* The box of a process that runs: its tables in a file that outlives it. format_box.h has what a reader may find when.
 *
 * Its address space is reserved once, and the areas lie at the same places in it as in the file, which is mapped over
 * it. Steps are made present before anything is written to them (MADV_POPULATE_WRITE, or fallocate): a file system
 * that is full is no SIGBUS. What cannot be in the file is private memory at the same place. All that is not a row of
 * totals is written under LOCK_BOX, and only when a site is new. */
#ifndef WEIR_BOX_LIVE_H
#define WEIR_BOX_LIVE_H

#include "shim/base/base.h"

/* Once, at start, before the first row of totals; then, when it is known what the process tracks. False: no address
 * space. */
bool live_start(void);
void live_begin(void);

/* What lies at an offset of the file, which has to be reached first. */
extern HIDDEN char *live_base;
ALWAYS_INLINE void *live_at(size_t offset) {
    return live_base + offset;
}

/* Makes it usable; false: the ceiling refuses, or tables have half of it already. Any thread, not in a handler that
 * interrupted weir. */
bool live_reach(size_t offset, size_t n);

/* Before the first row of a child of fork: it gets a file of its own. */
void live_need(void);

/* The box is this process's, and in a file. */
bool live_is_filed(void);

/* live_reach, under LOCK_BOX. */
bool live_reach_locked(size_t offset, size_t n);

/* Of a block there will be no record. */
void live_lose_block(void);

/* Something has changed just now. */
void live_seen(void);

/* The frames of a stack, and their modules, are in the box from here on, as far as there is room. */
void live_note_stack(uint32_t id);

/* In a child of fork, which has inherited so many bytes of blocks: the box is its parent's, and what lies in its place
 * is empty. False: nothing can be, and there is none any more. */
bool live_forked(uint64_t inherited);

/* The end in order: nobody needs the file. Before an exec it is marked as if it had ended, and again as one of a
 * program that runs if that has failed. */
void live_end(void);
void live_mark(bool ended);

/* Bytes from live_base on. */
size_t live_size(void);

/* It is in a file, or was, and the address lies in it. */
bool live_contains(const void *p);

#endif
