/* How often a place of each class was handed out, and a run: counted where lists of places are made, so that neither
 * fast path does. A list counts as handed out when it is put on `free`; what is still on it does not (walk.c takes that
 * off). What was given back is what is not live. A row a heap, written by its owner plainly; exact where nobody
 * allocates. */
#ifndef WEIR_ARENA_COUNTS_H
#define WEIR_ARENA_COUNTS_H

#include "shim/arena/layout.h"
#include "shim/base/region.h"

#define COUNTS_ROW 88 /* uint64_t: a class each, runs at CLASSES; whole lines of the cache */
_Static_assert(COUNTS_ROW > CLASSES, "a number a class, and runs");

extern struct region counts HIDDEN;
extern _Atomic uint64_t counts_apart HIDDEN; /* runs that a thread without a heap took */

bool counts_start(size_t heaps);
bool counts_make(size_t heap); /* a row; false: no memory */

ALWAYS_INLINE uint64_t *counts_of(size_t heap) {
    return (uint64_t *)(void *)counts.base + heap * COUNTS_ROW;
}
/* `n` may be negative: what was on a list when its slab went. */
ALWAYS_INLINE void counts_add(const struct heap *h, unsigned class, uint64_t n) {
    uint64_t *to = &counts_of(h->index)[class];
    __atomic_store_n(to, __atomic_load_n(to, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}
ALWAYS_INLINE void counts_add_run(void) {
    if (likely(tls.heap != NULL))
        counts_add(tls.heap, CLASSES, 1);
    else
        atomic_fetch_add_explicit(&counts_apart, 1, memory_order_relaxed);
}

/* Of all heaps together: [class], runs at CLASSES. */
void counts_sum(uint64_t sum[CLASSES + 1]);

#endif
