/* The two fast paths. A test counts the instructions that a hit executes (tests/shim/fast_path.bats); what is added
 * here needs a reason with a figure.
 *
 * Neither looks at levels, options or initialisation: a thread that never allocated, a level that tracks all, a slab
 * that is full, tracked or another thread's, all show as a word that does not compare, and take the slow path. */
#ifndef WEIR_ARENA_FAST_H
#define WEIR_ARENA_FAST_H

#include "shim/arena/arena.h"

/* A block of at least n bytes, or NULL: take the slow path. A list's last place is left to the slow path, so that the
 * test for the end and the test for a link that was overwritten are one. */
ALWAYS_INLINE void *arena_pop(size_t n) {
    if (unlikely(n > SMALL_MAX)) return NULL;
    struct slab *s = tls.direct[(n + 15) >> 4];
    if (unlikely(s == NULL)) return NULL;
    struct link *b = s->free, *next = b->next;
    if (unlikely((((uintptr_t)next ^ (uintptr_t)b) >> SLAB_SPAN_SHIFT) != 0)) return NULL;
    s->free = next;
    return b;
}

enum arena_pushed { ARENA_PUSHED, ARENA_EMPTIED, ARENA_DECLINED };

/* Gives p back, if it lies in a slab of this thread that is neither full nor tracked, and was not the last one freed
 * there. EMPTIED: that was the slab's last block in use, and heap_emptied is to be told. */
ALWAYS_INLINE enum arena_pushed arena_push(void *p, struct slab **slab) {
    size_t slice = ((uintptr_t)p - arena.base) >> SLICE_SHIFT;
    if (unlikely(slice >= arena.slices)) return ARENA_DECLINED;
    struct slab *s = *slab = &arena.slabs[slice];
    if (unlikely(slab_owner_word(s) != tls.self)) return ARENA_DECLINED;
    struct link *b = p, *head = s->local_free;
    if (unlikely(head == b)) return ARENA_DECLINED;
    b->next = head;
    s->local_free = b;
    return likely(--s->used > 0) ? ARENA_PUSHED : ARENA_EMPTIED;
}

/* The slow end of ARENA_EMPTIED. */
void arena_emptied(struct slab *s);

#endif
