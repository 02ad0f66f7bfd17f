/* The stack table; see stacks.h. Frames and stacks are appended, then published in the index by compare-and-swap.
 *
 * The index is a bucket by the hash's lowest bits, and in each a binary tree by the bits above: what hangs below a
 * stack at depth d agrees with it in d of them, and in the next one hangs on that side. So it is as deep as the
 * logarithm of what a bucket holds, and only ever grows at its ends. */
#include "shim/box/stacks.h"
#include "shim/arena/heap.h"
#include "shim/base/region.h"
#include "shim/box/format.h"

#include <stdatomic.h>

#define FRAMES_MAX  ((size_t)1 << 30)
#define FRAME_SHARE 16 /* bytes of the arena a frame: a small arena gets small tables */
#define BUCKET_BITS 16
#define CACHE_WAYS  256 /* entries of a thread's cache, direct-mapped */

struct noted {
    uint64_t hash;
    uint32_t id;
    uint32_t frames;
};

static struct region stacks, frames, buckets, caches;
static size_t frames_max;
static _Atomic uint64_t stacks_used, frames_used;
static _Atomic uint64_t lost;

bool stacks_start(size_t arena_size) {
    frames_max = min_size(FRAMES_MAX, arena_size / FRAME_SHARE);
    if (!region_reserve(&stacks, STACKS_MAX * sizeof(struct stack), false) ||
        !region_reserve(&frames, frames_max * 8, false) ||
        !region_reserve(&buckets, sizeof(uint32_t) << BUCKET_BITS, false) ||
        !region_reserve(&caches, HEAPS_MAX * CACHE_WAYS * sizeof(struct noted), true) ||
        !region_commit(&buckets, sizeof(uint32_t) << BUCKET_BITS) || !region_commit(&stacks, sizeof(struct stack))) {
        return false;
    }
    ((struct stack *)(void *)stacks.base)[0].flags = DUMP_STACK_NONE;
    stacks_used = 1;
    return true;
}

const struct stack *stack_at(uint32_t id) {
    return (const struct stack *)(const void *)stacks.base + id;
}
const uint64_t *stack_frames(void) {
    return (const uint64_t *)(const void *)frames.base;
}
/* What was counted but could not be committed does not exist. */
uint32_t stack_count(void) {
    size_t there = atomic_load_explicit(&stacks.committed, memory_order_acquire) / sizeof(struct stack);
    return (uint32_t)min_size(atomic_load_explicit(&stacks_used, memory_order_acquire), there);
}
uint64_t stack_frame_count(void) {
    size_t there = atomic_load_explicit(&frames.committed, memory_order_acquire) / 8;
    return min_size(atomic_load_explicit(&frames_used, memory_order_acquire), there);
}
uint64_t stacks_lost(void) {
    return atomic_load_explicit(&lost, memory_order_relaxed);
}

static bool frames_equal(const uint64_t *a, const uint64_t *b, uint32_t n) {
    uint32_t i = 0;
    while (i < n && a[i] == b[i]) i++;
    return i == n;
}

static bool is_same(const struct stack *s, const struct trace *t) {
    return s->hash == t->hash && s->frames == t->frames && s->flags == t->flags &&
           frames_equal(stack_frames() + s->first_frame, t->frame, t->frames);
}

/* Room for n at the end of a table, of which `each` bytes are an entry; false: none, and nothing is used up. */
static bool take_room(struct region *table, size_t each, _Atomic uint64_t *used, uint64_t n, uint64_t max,
                      uint64_t *first) {
    *first = atomic_load_explicit(used, memory_order_relaxed);
    do {
        if (*first + n > max || !region_commit(table, (*first + n) * each)) return false;
    } while (
        !atomic_compare_exchange_weak_explicit(used, first, *first + n, memory_order_release, memory_order_relaxed));
    return true;
}

/* Appends the trace; 0: no room. */
static uint32_t append(const struct trace *t) {
    uint64_t id, first;
    /* The stack's own room is looked for first, and taken last: it cannot be given back, as frames can where nobody
     * took more. */
    id = atomic_load_explicit(&stacks_used, memory_order_relaxed);
    if (id >= STACKS_MAX || !region_commit(&stacks, (id + 1) * sizeof(struct stack)) ||
        !take_room(&frames, 8, &frames_used, t->frames, frames_max, &first)) {
        return STACK_UNKNOWN;
    }
    if (!take_room(&stacks, sizeof(struct stack), &stacks_used, 1, STACKS_MAX, &id)) {
        uint64_t end = first + t->frames;
        (void)atomic_compare_exchange_strong_explicit(&frames_used, &end, first, memory_order_relaxed,
                                                      memory_order_relaxed);
        return STACK_UNKNOWN;
    }
    mem_copy((uint64_t *)(void *)frames.base + first, t->frame, t->frames * sizeof t->frame[0]);
    struct stack *s = (struct stack *)(void *)stacks.base + id;
    s->hash = t->hash;
    s->exact = t->exact;
    s->first_frame = (uint32_t)first;
    s->frames = (uint16_t)t->frames;
    s->flags = (uint16_t)t->flags;
    return (uint32_t)id;
}

static uint32_t find_or_add(const struct trace *t) {
    _Atomic uint32_t *at = (_Atomic uint32_t *)(void *)buckets.base + (t->hash & ((1u << BUCKET_BITS) - 1));
    uint32_t mine = STACK_UNKNOWN;
    for (uint64_t bits = t->hash >> BUCKET_BITS;; bits >>= 1) {
        uint32_t id = atomic_load_explicit(at, memory_order_acquire);
        if (id == 0) {
            if (mine == STACK_UNKNOWN) mine = append(t);
            if (mine == STACK_UNKNOWN ||
                atomic_compare_exchange_strong_explicit(at, &id, mine, memory_order_acq_rel, memory_order_acquire))
                return mine;
        }
        struct stack *s = (struct stack *)(void *)stacks.base + id;
        if (is_same(s, t)) return id;
        at = &s->next[bits & 1];
    }
}

uint32_t stack_id(const struct trace *t, uint32_t cache) {
    size_t at = cache * (size_t)CACHE_WAYS + (t->hash & (CACHE_WAYS - 1));
    struct noted *n = cache == STACKS_NO_CACHE ? NULL : (struct noted *)(void *)caches.base + at;
    if (likely(n && n->hash == t->hash && n->frames == t->frames && n->id != STACK_UNKNOWN) &&
        is_same(stack_at(n->id), t))
        return n->id;
    uint32_t id = find_or_add(t);
    if (id == STACK_UNKNOWN) {
        atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
    } else if (n && region_commit(&caches, (at + 1) * sizeof *n)) {
        *n = (struct noted){t->hash, id, t->frames};
    }
    return id;
}
