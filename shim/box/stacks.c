/* The stack table; see stacks.h. Frames and stacks are appended, then published in the index by compare-and-swap. */
#include "shim/box/stacks.h"
#include "shim/arena/heap.h"
#include "shim/base/region.h"
#include "shim/box/format.h"

#include <stdatomic.h>

#define FRAMES_MAX  ((size_t)1 << 24)
#define BUCKET_BITS 16
#define CACHE_WAYS  256 /* entries of a thread's cache, direct-mapped */

struct noted {
    uint64_t hash;
    uint32_t id;
    uint32_t frames;
};

static struct region stacks, frames, buckets, caches;
static _Atomic uint32_t stacks_used;
static _Atomic uint64_t frames_used;
static _Atomic uint64_t lost;

bool stacks_start(void) {
    if (!region_reserve(&stacks, STACKS_MAX * sizeof(struct stack), false) ||
        !region_reserve(&frames, FRAMES_MAX * 8, false) ||
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

/* Appends the trace; 0: no room. */
static uint32_t append(const struct trace *t) {
    uint64_t first = atomic_fetch_add_explicit(&frames_used, t->frames, memory_order_relaxed);
    uint32_t id = atomic_fetch_add_explicit(&stacks_used, 1, memory_order_relaxed);
    if (first + t->frames > FRAMES_MAX || id >= STACKS_MAX || !region_commit(&frames, (first + t->frames) * 8) ||
        !region_commit(&stacks, (id + (size_t)1) * sizeof(struct stack))) {
        return STACK_UNKNOWN;
    }
    mem_copy((uint64_t *)(void *)frames.base + first, t->frame, t->frames * sizeof t->frame[0]);
    ((struct stack *)(void *)stacks.base)[id] = (struct stack){.hash = t->hash,
                                                               .exact = t->exact,
                                                               .first_frame = (uint32_t)first,
                                                               .frames = (uint16_t)t->frames,
                                                               .flags = (uint16_t)t->flags};
    return id;
}

static uint32_t find_in(uint32_t id, uint32_t end, const struct trace *t) {
    for (; id != end; id = stack_at(id)->next)
        if (is_same(stack_at(id), t)) return id;
    return STACK_UNKNOWN;
}

static uint32_t find_or_add(const struct trace *t) {
    _Atomic uint32_t *bucket = (_Atomic uint32_t *)(void *)buckets.base + (t->hash & ((1u << BUCKET_BITS) - 1));
    uint32_t head = atomic_load_explicit(bucket, memory_order_acquire), searched = 0;
    uint32_t id = find_in(head, 0, t);
    if (id != STACK_UNKNOWN) return id;
    uint32_t mine = append(t);
    while (mine != STACK_UNKNOWN) {
        ((struct stack *)(void *)stacks.base)[mine].next = head;
        searched = head;
        if (atomic_compare_exchange_strong_explicit(bucket, &head, mine, memory_order_acq_rel, memory_order_acquire))
            break;
        id = find_in(head, searched, t); /* what others added meanwhile */
        if (id != STACK_UNKNOWN) return id;
    }
    return mine;
}

uint32_t stack_id(const struct trace *t, uint32_t cache) {
    size_t at = cache * (size_t)CACHE_WAYS + (t->hash & (CACHE_WAYS - 1));
    struct noted *n = (struct noted *)(void *)caches.base + at;
    if (likely(n->hash == t->hash && n->frames == t->frames && n->id != STACK_UNKNOWN) && is_same(stack_at(n->id), t))
        return n->id;
    uint32_t id = find_or_add(t);
    if (id == STACK_UNKNOWN) {
        atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
    } else if (region_commit(&caches, (at + 1) * sizeof *n)) {
        *n = (struct noted){t->hash, id, t->frames};
    }
    return id;
}
