/* The stack table; see stacks.h. Entries are appended, then published by compare-and-swap.
 *
 * What a frame calls is a binary tree, by the bits of a hash over the frame that is called: what hangs below an entry
 * at depth d agrees with it in d of them, and in the next one hangs on that side. So it is as deep as the logarithm of
 * what one frame calls, and only ever grows at its ends. */
#include "shim/box/stacks.h"
#include "shim/base/region.h"
#include "shim/box/beacon.h"

#define STACK_SHARE 256 /* bytes of the arena an entry: a small arena gets a small table */
#define STACKS_MIN  ((size_t)1 << 16)

struct stack *stack_table;

static struct region stacks;
static size_t stacks_max;
static _Atomic uint64_t stacks_used;
static _Atomic uint64_t lost;

const struct core_stacks core_stacks = {.at_table = CORE_ADDRESS(stack_table),
                                        .stride = sizeof(struct stack),
                                        .at_used = CORE_ADDRESS(stacks_used),
                                        .at_committed = CORE_ADDRESS(stacks.committed),
                                        .at_lost = CORE_ADDRESS(lost)};
_Static_assert(offsetof(struct stack, frame) == offsetof(struct box_frame, frame) &&
                   offsetof(struct stack, outer) == offsetof(struct box_frame, outer) &&
                   offsetof(struct stack, flags) == offsetof(struct box_frame, flags) &&
                   offsetof(struct stack, how) == offsetof(struct box_frame, how) && STACK_ROOTS == BOX_ROOTS,
               "a stack's entry begins as a box has it");

bool stacks_start(size_t arena_size) {
    stacks_max = min_size(STACKS_MAX, max_size(arena_size / STACK_SHARE, STACKS_MIN));
    if (!region_reserve(&stacks, stacks_max * sizeof(struct stack), false) ||
        !region_commit(&stacks, STACK_ROOTS * sizeof(struct stack))) {
        return false;
    }
    stacks.greedy = true;
    stack_table = (struct stack *)(void *)stacks.base;
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
    uint64_t bits = (frame ^ (uint64_t)how << 40) * 0x9fb21c651e98df25u;
    _Atomic uint32_t *at = &stack_table[outer].called;
    uint32_t mine = STACK_UNKNOWN;
    for (bits ^= bits >> 32;; bits = bits >> 1 | bits << 63) {
        uint32_t id = atomic_load_explicit(at, memory_order_acquire);
        if (id == 0) {
            if (mine == STACK_UNKNOWN) mine = append(outer, frame, how);
            if (mine == STACK_UNKNOWN ||
                atomic_compare_exchange_strong_explicit(at, &id, mine, memory_order_acq_rel, memory_order_acquire))
                return mine;
        }
        struct stack *s = &stack_table[id];
        if (s->frame == frame && s->how == how) return id;
        at = &s->next[bits & 1];
    }
}
