/* Slices: 64 KiB units of the arena, free ones in bitmaps, taken and given in spans. The floor below slabs and runs. */
#ifndef WEIR_ARENA_SLICES_H
#define WEIR_ARENA_SLICES_H

#include "shim/arena/layout.h"

enum slices_zone { ZONE_LOW, ZONE_HIGH };

/* Bytes of address space that the arena will ask for; with `sides`, less where that costs much. */
size_t slices_plan(bool sides);

/* Reserves the arena and its tables. `sides`: also the side arrays of tracked slabs. `guard`: a span is followed by a
 * slice that cannot be touched; spans then neither grow in place nor shrink. */
bool slices_start(bool sides, bool guard);
bool slices_guarded(void);

/* The arena is smaller than it could be, since reserving takes long here. */
bool slices_are_dear(void);

/* A span of `count` slices, its address a multiple of `align` slices. NULL: the kernel refuses. The descriptors are as
 * they were left; memory up to each one's `committed` may be dirty, above it is zero. */
struct slab *slices_take(enum slices_zone zone, size_t count, size_t align);

/* The `count` slices at s, if all are free: for growing in place. */
bool slices_take_at(struct slab *s, size_t count);

/* Gives a span back. Its memory stays committed and charged until it has been unused for a while. */
void slices_give(struct slab *s, size_t count);

/* Charges what of bytes [0, upto) of the span is not yet. False: refused; what is charged stays so. */
bool slices_commit(struct slab *head, size_t upto);

/* Maps fresh memory over a span that the caller owns: zero, one kernel mapping with its neighbours, nothing of it
 * charged. False: the kernel refuses, and all is as it was. */
bool slices_renew(struct slab *s, size_t count);

/* Maps a span that the kernel has unmapped, if nothing else has taken its place; nothing of it is charged. False: it
 * must not be used any more. */
bool slices_map_again(struct slab *s, size_t count);

/* Gives the memory of a span back that the caller owns, and keeps the span: its pages are zero, but where they are
 * locked; then they stay committed. */
void slices_drop(struct slab *s, size_t count);

/* Zeroes what may be dirty of the first n bytes of a span that the caller owns; the kernel's pages are zero. */
void slices_clear(struct slab *s, size_t n);

/* Makes pages that are charged resident, if the kernel can do that. */
void slices_populate(char *p, size_t n);

/* Bytes charged for a span. */
size_t slices_charged(const struct slab *s, size_t count);

/* Gives the memory behind free slices back to the kernel: all of it, or what has been unused for 50 to 100 ms. Bytes.
 */
size_t slices_purge(bool all);

/* Around giving back what a refused request should wait for. */
void slices_purge_begins(void);
void slices_purge_ends(void);

/* What another thread is giving back just now is neither free nor given back yet. Waits for it, 10 ms at most. False:
 * there was nothing to wait for. */
bool slices_wait_for_purges(void);

/* What is retained is given back after one to two periods, if anybody calls: whoever retains something begins the
 * wait; it is over when slices_due says so, and its end is told to the one caller that ends it. */
#define SLICES_PERIOD 50000000u                   /* ns */
extern _Atomic uint64_t slices_wait_until HIDDEN; /* coarse clock, ns; 0: nothing is waiting */
void slices_begin_wait(void);
bool slices_wait_is_over(void);
ALWAYS_INLINE bool slices_due(void) {
    return unlikely(atomic_load_explicit(&slices_wait_until, memory_order_relaxed) != 0) && slices_wait_is_over();
}
bool slices_end_wait(void);

/* Side arrays: entry 0 of the slab's. Only where slices_start was told. */
struct side *slices_side(const struct slab *s);
bool slices_has_sides(void);

/* The slices of each zone that were ever writable: [first, end). For walking. */
void slices_bounds(enum slices_zone zone, size_t *first, size_t *end);

/* The first slice from `index` on that is not free, or `end`: what was never used is not even looked at. */
size_t slices_next_used(enum slices_zone zone, size_t index, size_t end);

/* The same of those that are free and have memory still. */
size_t slices_next_retained(enum slices_zone zone, size_t index, size_t end);

/* Address space reserved, bytes; bytes ever purged. */
uint64_t slices_reserved(void);
uint64_t slices_purged(void);

#endif
