/* The two fast paths. A test counts the instructions that a hit executes (tests/shim/fast_path.bats); what is added
 * here needs a reason with a figure.
 *
 * Neither looks at levels, options or initialisation: a thread that never allocated, a level that tracks all, a slab
 * that is tracked or another thread's, all show as a word that does not compare, and take the slow path. Each
 * shuts its gate (struct tls) while the lists are in between two states, so that a signal handler cannot get in. */
#ifndef WEIR_ARENA_FAST_H
#define WEIR_ARENA_FAST_H

#include "shim/arena/arena.h"

#define SIGNAL_FENCE() atomic_signal_fence(memory_order_seq_cst) /* for the compiler only */

/* A block of at least n bytes, or NULL: take the slow path. A list's last place is left to the slow path, so that the
 * test for the end and the test for a link that was overwritten are one. */
ALWAYS_INLINE void *arena_pop(size_t n) {
    if (unlikely(n >= tls.limit)) return NULL;
    tls.limit = 0;
    SIGNAL_FENCE();
    struct slab *s = tls.direct[(n + 15) >> 4];
    struct link *b = s->free, *next = link_next(b);
    if (unlikely((((uintptr_t)next ^ (uintptr_t)b) >> SLAB_SPAN_SHIFT) != 0)) {
        tls.limit = SMALL_MAX + 1;
        return NULL;
    }
    s->free = next;
    SIGNAL_FENCE();
    tls.limit = SMALL_MAX + 1;
    return b;
}

enum arena_pushed { ARENA_PUSHED, ARENA_COUNTED_DOWN, ARENA_DECLINED };

/* Gives p back, if it lies in an untracked slab of this thread, and was not the last one freed there. COUNTED_DOWN: the
 * slab's `used` is 0, and arena_counted_down is to be told. */
ALWAYS_INLINE enum arena_pushed arena_push(void *p, struct slab **slab) {
    struct slab *s = *slab = (struct slab *)(void *)((char *)arena_slabs + ((uintptr_t)p >> 9 & arena_mask));
    uintptr_t self = (uintptr_t)p >> WINDOW_SHIFT;
    /* A relaxed load and an addition in one instruction, which compilers do not make of an atomic. */
    __asm__("addq %1, %0" : "+r"(self) : "m"(s->owner) : "cc");
    if (unlikely(self != tls.self)) return ARENA_DECLINED;
    tls.self = NO_HEAP;
    SIGNAL_FENCE();
    struct link *b = p, *head = s->local_free;
    if (unlikely(head == b)) {
        tls.self = self;
        return ARENA_DECLINED;
    }
    link_set(b, head);
    SIGNAL_FENCE(); /* a fork in another thread may find the list at any point, and use it */
    s->local_free = b;
    bool used = --s->used > 0;
    SIGNAL_FENCE();
    tls.self = self;
    return likely(used) ? ARENA_PUSHED : ARENA_COUNTED_DOWN;
}

/* The slow end of ARENA_COUNTED_DOWN. */
void arena_counted_down(struct slab *s);

#endif
