/* The emergency slab; see emergency.h. */
#include "shim/arena/emergency.h"
#include "shim/arena/slices.h"

#include <stdatomic.h>

#define SPAN_SLICES 64 /* 4 MiB of address space; memory only while it is used */
#define SPAN_SHARE  16 /* of a small arena no more than one part in so many */

static struct pool {
    size_t offset, size, count;
    _Atomic uint64_t taken[4];
} pools[] = {
    {0, 64, 256, {0}},
    {16 * KIB, 1024, 48, {0}},
    {64 * KIB, 4096, 16, {0}},
};
static struct slab *slab;
static struct slab *spans;
static _Atomic uint64_t spans_taken;

void emergency_start(void) {
    struct slab *s = slices_take(ZONE_LOW, 2, 1);
    if (!s || !slices_commit(s, 2 * SLICE)) return;
    s[1].kind = KIND_TAIL;
    s[1].head = 1;
    slab_set_owner_word(s, NO_OWNER);
    s->kind = KIND_EMERGENCY;
    slab = s;
    if (arena.slices / SPAN_SHARE >= SPAN_SLICES) spans = slices_take(ZONE_LOW, SPAN_SLICES, 1);
}

static void *take_place(struct pool *pool) {
    for (size_t w = 0; w * 64 < pool->count; w++) {
        size_t places = min_size(pool->count - w * 64, 64);
        uint64_t all = places == 64 ? ~0ull : (1ull << places) - 1;
        uint64_t taken = atomic_load_explicit(&pool->taken[w], memory_order_relaxed);
        while (taken != all) {
            unsigned i = (unsigned)__builtin_ctzll(~taken);
            if (atomic_compare_exchange_weak_explicit(&pool->taken[w], &taken, taken | 1ull << i, memory_order_acquire,
                                                      memory_order_relaxed)) {
                return slab_start(slab) + pool->offset + (w * 64 + i) * pool->size;
            }
        }
    }
    return NULL;
}

void *emergency_take(size_t n, size_t alignment) {
    for (size_t i = 0; slab && i < ARRAY_LENGTH(pools); i++) {
        if (pools[i].size < n || pools[i].size < alignment) continue;
        void *p = take_place(&pools[i]);
        if (p) return p;
    }
    return NULL;
}

static struct pool *pool_of(const void *p, size_t *place) {
    size_t offset = (size_t)((const char *)p - slab_start(slab));
    struct pool *pool = &pools[offset < pools[1].offset ? 0 : offset < pools[2].offset ? 1 : 2];
    *place = (offset - pool->offset) / pool->size;
    return pool;
}

bool emergency_find(const void *p, char **start, size_t *size) {
    size_t place;
    struct pool *pool = pool_of(p, &place);
    *start = slab_start(slab) + pool->offset + place * pool->size;
    *size = pool->size;
    return place < pool->count &&
           (atomic_load_explicit(&pool->taken[place / 64], memory_order_relaxed) >> (place & 63) & 1);
}

void emergency_give(void *p) {
    size_t place;
    struct pool *pool = pool_of(p, &place);
    atomic_fetch_and_explicit(&pool->taken[place / 64], ~(1ull << (place & 63)), memory_order_release);
}

struct slab *emergency_take_span(size_t slices) {
    if (!spans || slices > SPAN_SLICES) return NULL;
    uint64_t mask = slices == 64 ? ~0ull : (1ull << slices) - 1,
             taken = atomic_load_explicit(&spans_taken, memory_order_relaxed);
    for (unsigned i = 0; i + slices <= SPAN_SLICES;) {
        if (taken & mask << i) {
            i++;
        } else if (atomic_compare_exchange_weak_explicit(&spans_taken, &taken, taken | mask << i, memory_order_acquire,
                                                         memory_order_relaxed)) {
            return spans + i;
        }
    }
    return NULL;
}

bool emergency_has_span(const struct slab *s) {
    return spans && s >= spans && s < spans + SPAN_SLICES;
}

bool emergency_give_span(struct slab *s, size_t slices) {
    if (!emergency_has_span(s)) return false;
    for (size_t i = 0; i < slices; i++) s[i].kind = KIND_NONE;
    if (!slices_renew(s, slices)) { /* too much address space, or too many mappings */
        slices_drop(s, slices);
        slices_clear(s, slices << SLICE_SHIFT); /* where it is locked */
    }
    uint64_t mask = slices == 64 ? ~0ull : (1ull << slices) - 1;
    atomic_fetch_and_explicit(&spans_taken, ~(mask << (s - spans)), memory_order_release);
    return true;
}
