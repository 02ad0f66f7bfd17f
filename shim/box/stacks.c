/* The stack table; see stacks.h. Entries are appended, then published in the index by compare-and-swap.
 *
 * The index is a bucket by the hash's lowest bits, and in each a binary tree by the bits above: what hangs below an
 * entry at depth d agrees with it in d of them, and in the next one hangs on that side. So it is as deep as the
 * logarithm of what a bucket holds, and only ever grows at its ends. */
#include "shim/box/stacks.h"
#include "shim/base/region.h"

#define STACK_SHARE 256 /* bytes of the arena an entry: a small arena gets a small table */

struct stack *stack_table;
_Atomic uint32_t *stack_buckets;

static struct region stacks;
static size_t stacks_max;
static _Atomic uint64_t stacks_used;
static _Atomic uint64_t lost;

bool stacks_start(size_t arena_size) {
    static struct region buckets;
    size_t index = STACK_BUCKETS * sizeof *stack_buckets;
    stacks_max = min_size(STACKS_MAX, max_size(arena_size / STACK_SHARE, STACK_BUCKETS));
    if (!region_reserve(&stacks, stacks_max * sizeof(struct stack), false) || !region_reserve(&buckets, index, false) ||
        !region_commit(&buckets, index) || !region_commit(&stacks, STACK_ROOTS * sizeof(struct stack))) {
        return false;
    }
    stack_table = (struct stack *)(void *)stacks.base;
    stack_buckets = (_Atomic uint32_t *)(void *)buckets.base;
    stack_table[STACK_UNKNOWN].flags = DUMP_STACK_NONE;
    for (uint32_t flags = 0; flags < STACK_ROOTS - 1; flags++) stack_table[stack_root(flags)].flags = (uint16_t)flags;
    stacks_used = STACK_ROOTS;
    return true;
}

/* What was counted but could not be committed does not exist. */
uint32_t stack_count(void) {
    size_t there = atomic_load_explicit(&stacks.committed, memory_order_acquire) / sizeof(struct stack);
    return (uint32_t)min_size(atomic_load_explicit(&stacks_used, memory_order_acquire), there);
}
void stack_lost(void) {
    atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
}
uint64_t stacks_lost(void) {
    return atomic_load_explicit(&lost, memory_order_relaxed);
}

/* A new entry; STACK_UNKNOWN: no room, and nothing is used up. */
static uint32_t append(uint32_t outer, uint64_t frame, uint32_t how) {
    uint64_t id = atomic_load_explicit(&stacks_used, memory_order_relaxed);
    do {
        if (id >= stacks_max || !region_commit(&stacks, (id + 1) * sizeof(struct stack))) return STACK_UNKNOWN;
    } while (
        !atomic_compare_exchange_weak_explicit(&stacks_used, &id, id + 1, memory_order_release, memory_order_relaxed));
    struct stack *s = &stack_table[id];
    s->frame = frame;
    s->outer = outer;
    s->flags = (uint16_t)(stack_at(outer)->flags | (how & STACK_GUESS ? DUMP_STACK_GUESS : 0));
    s->how = (uint16_t)how;
    return (uint32_t)id;
}

uint32_t stack_look_up(uint32_t outer, uint64_t frame, uint32_t how) {
    uint64_t bits = stack_hash(outer, frame, how);
    _Atomic uint32_t *at = &stack_buckets[bits % STACK_BUCKETS];
    uint32_t mine = STACK_UNKNOWN;
    for (bits = bits / STACK_BUCKETS | (uint64_t)outer << 48;; bits >>= 1) {
        uint32_t id = atomic_load_explicit(at, memory_order_acquire);
        if (id == 0) {
            if (mine == STACK_UNKNOWN) mine = append(outer, frame, how);
            if (mine == STACK_UNKNOWN ||
                atomic_compare_exchange_strong_explicit(at, &id, mine, memory_order_acq_rel, memory_order_acquire))
                return mine;
        }
        struct stack *s = &stack_table[id];
        if (s->frame == frame && s->outer == outer && s->how == how) return id;
        at = &s->next[bits & 1];
    }
}
