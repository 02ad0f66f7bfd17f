/* Next to the fast paths: what they decline most often, without tracking's say. A list's last place, lists that change
 * places, sizes above SMALL_MAX, frees of larger places and of other threads' blocks, runs that a thread
 * keeps. Not for tracked blocks. */
#ifndef WEIR_ARENA_NEAR_H
#define WEIR_ARENA_NEAR_H

#include "shim/arena/arena.h"

/* A block of at least n bytes, or NULL: take the slow path. */
void *near_pop(size_t n);
ALWAYS_INLINE void *arena_pop_near(size_t n) {
    return arena.tracks_all ? NULL : near_pop(n);
}

/* True: p was an untracked place and is given back. False: anything else; nothing was done. */
bool near_push(void *p);
ALWAYS_INLINE bool arena_push_near(void *p) {
    return !arena.tracks_all && near_push(p);
}

/* The slab that p is an exact, existing place of, if it is an untracked one. */
ALWAYS_INLINE struct slab *arena_untracked_slab(const void *p) {
    struct slab *s = slab_of(p);
    if (!s) return NULL;
    s = slab_head(s);
    if (s->kind != KIND_SLAB || (slab_owner_word(s) & (OWNER_TRACKED | OWNER_CAREFUL))) return NULL;
    uint32_t place = slab_place(s, p);
    return slab_start(s) + (size_t)place * s->size == p && place < slab_capacity(s) ? s : NULL;
}

/* The size of the untracked place that p is, 0: it is none. */
ALWAYS_INLINE size_t arena_place_size(const void *p) {
    const struct slab *s = arena_untracked_slab(p);
    return s ? s->size : 0;
}

#endif
