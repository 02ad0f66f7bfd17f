/* What slices.c and retain.c share: the zones and their bitmaps. */
#ifndef WEIR_ARENA_ZONES_H
#define WEIR_ARENA_ZONES_H

#include "shim/arena/slices.h"
#include "shim/base/region.h"

#define ZONE_SLICES_MAX ((size_t)1 << (WINDOW_SHIFT - SLICE_SHIFT - 1))

struct zone {
    size_t first, end;              /* slices of the zone */
    _Atomic size_t writable;        /* [first, writable) can be used */
    size_t hint;                    /* no word below this one has a free slice; an index into the bitmaps */
    size_t dirty_hint;              /* none below this one has a free slice with committed memory */
    struct region slabs;            /* its part of the descriptors */
    struct region free, dirty, old; /* bitmaps: free; of those, with committed memory; of those, for a period */
    struct region bounds;           /* of how long free spans can be, see slices.c */
    uint16_t bounds_of_many[ZONE_SLICES_MAX / 32768 + 1];
};
extern struct zone zones[2] HIDDEN;
extern char *slices_sides HIDDEN;  /* entries, SIDE_PER_SLICE bytes a slice; NULL: there are none */
#define SIDE_PER_SLICE (128 * KIB) /* 4,096 places of 16 bytes, 32 bytes each */
extern bool slices_guard HIDDEN;   /* every span is followed by a slice that nobody can touch (WEIR_GUARD) */

ALWAYS_INLINE uint64_t *zone_bits(const struct region *r) {
    return (uint64_t *)(void *)r->base;
}
ALWAYS_INLINE struct zone *zone_of_slice(size_t index) {
    return index >= zones[ZONE_HIGH].first ? &zones[ZONE_HIGH] : &zones[ZONE_LOW];
}

/* Changed under the lock; also looked at without it, by purges that want to know where to begin. */
ALWAYS_INLINE uint64_t zone_word(const uint64_t *map, size_t word) {
    return __atomic_load_n(&map[word], __ATOMIC_RELAXED);
}
ALWAYS_INLINE void zone_set_word(uint64_t *map, size_t word, uint64_t v) {
    __atomic_store_n(&map[word], v, __ATOMIC_RELAXED);
}

/* It has memory, or its side array has: charged, and to be given back once the slice is free. */
ALWAYS_INLINE bool slice_is_dirty(const struct slab *s) {
    return s->slice.committed > 0 || s->slice.side_pages > 0;
}

/* Slices [at, at + count) of the zone, by their place in it, are free again, and dirty where `dirty` says so. Under the
 * lock. */
void zone_freed(struct zone *z, size_t at, size_t count);

#endif
