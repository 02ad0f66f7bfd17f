/* Heaps and slabs: a thread's cache, what it allocates from, and what others give back to it. Inside the arena only. */
#ifndef WEIR_ARENA_HEAP_H
#define WEIR_ARENA_HEAP_H

#include "shim/arena/layout.h"

#define HEAPS_MAX ((size_t)65536)

struct bin {
    struct slab *current; /* allocated from; the only one with anything on its `free` */
    struct slab *list;    /* others with a free place, newest first; full slabs are on no list */
};

struct heap {
    struct bin bins[2][CLASSES];  /* [tracked][class]; written by the owning thread only */
    _Atomic(struct slab *) queue; /* slabs with something on `remote`; anyone pushes, the owner takes all */
    _Atomic size_t waiting;       /* bytes of slabs on it whose every place waits to be drained */
    struct heap *next_parked;     /* under LOCK_HEAPS */
    _Atomic uint32_t parked;
    uint32_t index;
} ALIGNED(64);
_Static_assert(sizeof(struct heap) <= 4096, "a heap is one page");

bool heap_start(bool careful);

/* The calling thread's heap; adopts a parked one or makes one. NULL: none can be made. */
struct heap *heap_mine(void);

/* A place of the class, from the thread's heap. NULL: refused. */
void *heap_take(struct heap *h, unsigned class, bool tracked);

/* Takes a place back, on the owner's thread or any other. */
void heap_give(struct slab *s, void *p);
void heap_give_remotely(struct slab *s, void *p);

/* What may wait on a heap whose thread sleeps: beyond it, whoever frees a slab's last block gives its memory back. */
#define WAITING_MAX (1 * MIB)

/* Collects what other threads gave back. True: there was something. */
bool heap_drain(struct heap *h);

/* Gives back slabs of the heap that hold no block. */
void heap_collect(struct heap *h);
void heap_collect_parked(void);

/* A heap for one call of a thread that must not own one any more. */
struct heap *heap_borrow(void);
void heap_park(struct heap *h);

/* The free fast path's last act when a slab's last place came home. */
void heap_emptied(struct slab *s);

size_t heap_count(void);
struct heap *heap_at(size_t i);

ALWAYS_INLINE struct heap *slab_owner(const struct slab *s) {
    return (struct heap *)(slab_owner_word(s) & ~(uintptr_t)OWNER_BITS);
}

/* --- slab.c --- */

struct slab *slab_make(struct heap *h, unsigned class, bool tracked, bool careful);
void slab_give_back(struct slab *s);
void *slab_pop(struct slab *s);                  /* NULL: `free` is empty */
bool slab_refill(struct slab *s);                /* puts places on `free`; false: none, or refused */
uint32_t slab_free_length(const struct slab *s); /* of `free` */
ALWAYS_INLINE uint32_t slab_place(const struct slab *s, const void *p) {
    uint64_t offset = (uint64_t)((const char *)p - slab_start(s)) >> 4;
    return (uint32_t)((offset * s->reciprocal) >> 31);
}

/* Called when a list leads out of its slab: something wrote to a freed block. Set by the room that has words for it. */
extern void (*slab_corrupted)(const void *block);

#endif
