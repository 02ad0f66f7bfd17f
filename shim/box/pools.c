/* See pools.h. */
#include "shim/box/pools.h"
#include "shim/base/lock.h"
#include "shim/base/region.h"
#include "shim/box/beacon.h"
#include "shim/box/state.h"

#define BUCKET_BITS   15 /* 128 KiB, charged at the first part */
#define GRANULE_SHIFT 8

struct node {
    _Atomic uint64_t start; /* 0: the node is free */
    uint64_t size : 48, epoch : 8, ignored : 8;
    uint64_t time : 40, thread : 24; /* time in 2^SIDE_TIME_SHIFT ns */
    uint32_t stack;
    _Atomic uint32_t next; /* in a chain, or of a free node: the next one; 0: none */
};
_Static_assert(sizeof(struct node) == sizeof(struct core_part) &&
                   offsetof(struct node, stack) == offsetof(struct core_part, stack),
               "a part is as the reader of a core knows it");

_Atomic bool pools_on;
static bool reserved; /* the tables; written once, before pools_on is true */
static struct region nodes, buckets;
static unsigned bucket_bits;
static _Atomic uint32_t used = 1;            /* nodes ever made; the first is nobody's */
static _Atomic uint32_t free_[LOCK_STRIPES]; /* nodes; under the stripe's lock */
static _Atomic uint64_t lost;

const struct core_pools core_pools = {.at_nodes = CORE_ADDRESS(nodes.base),
                                      .at_nodes_committed = CORE_ADDRESS(nodes.committed),
                                      .at_used = CORE_ADDRESS(used),
                                      .at_lost = CORE_ADDRESS(lost)};

static bool reserve(void) {
    if (!region_reserve(&nodes, POOLS_MAX * sizeof(struct node), false) ||
        !region_reserve(&buckets, sizeof(uint32_t) << BUCKET_BITS, true))
        return false;
    nodes.greedy = true;
    for (bucket_bits = BUCKET_BITS; sizeof(uint32_t) << bucket_bits > buckets.size;) bucket_bits--;
    return true;
}

bool pools_set(bool wanted) {
    static bool refused;
    if (wanted && !reserved && !refused) {
        reserved = reserve();
        refused = !reserved;
    }
    atomic_store_explicit(&pools_on, wanted && reserved, memory_order_release);
    return reserved || !wanted;
}

bool pools_any(void) {
    return reserved && atomic_load_explicit(&used, memory_order_relaxed) > 1;
}
void pools_count_lost(void) {
    atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
}
uint64_t pools_lost(void) {
    return atomic_load_explicit(&lost, memory_order_relaxed);
}

/* --- nodes and chains --- */

static struct node *node_at(uint32_t i) {
    return (struct node *)(void *)nodes.base + i;
}
static _Atomic uint32_t *bucket_at(size_t i) {
    return (_Atomic uint32_t *)(void *)buckets.base + i;
}
static uint32_t get(const _Atomic uint32_t *link) {
    return atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)link, memory_order_relaxed);
}
static void set(_Atomic uint32_t *link, uint32_t to) {
    atomic_store_explicit(link, to, memory_order_release);
}
static uint64_t start_of(const struct node *n) {
    return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&n->start, memory_order_relaxed);
}

static size_t bucket_of(uintptr_t start) {
    return (size_t)((start >> GRANULE_SHIFT) * 0x9e3779b97f4a7c15u >> (64 - bucket_bits));
}
static enum lock_name lock_of(size_t bucket) {
    return (enum lock_name)(LOCK_POOLS + bucket % LOCK_STRIPES);
}

/* Outside of the lock: it may ask the kernel. 0: no room. */
static uint32_t make(void) {
    uint32_t i = atomic_load_explicit(&used, memory_order_relaxed);
    do {
        if (i >= POOLS_MAX || !region_commit(&nodes, (i + 1) * sizeof(struct node))) return 0;
    } while (!atomic_compare_exchange_weak_explicit(&used, &i, i + 1, memory_order_relaxed, memory_order_relaxed));
    return i;
}

static void give_back(size_t bucket, uint32_t i) {
    _Atomic uint32_t *list = &free_[bucket % LOCK_STRIPES];
    atomic_store_explicit(&node_at(i)->start, 0, memory_order_relaxed);
    set(&node_at(i)->next, get(list));
    set(list, i);
}

static uint32_t take_free(size_t bucket) {
    _Atomic uint32_t *list = &free_[bucket % LOCK_STRIPES];
    uint32_t i = get(list);
    if (i != 0) set(list, get(&node_at(i)->next));
    return i;
}

/* Takes those out that begin in [from, end). How many there were. */
static size_t take_out(size_t bucket, uintptr_t from, uintptr_t end) {
    size_t taken = 0;
    for (_Atomic uint32_t *link = bucket_at(bucket); get(link) != 0;) {
        uint32_t i = get(link);
        struct node *n = node_at(i);
        if (start_of(n) - from >= end - from) {
            link = &n->next;
            continue;
        }
        set(link, get(&n->next));
        give_back(bucket, i);
        taken++;
    }
    return taken;
}

static bool there(void) {
    return atomic_load_explicit(&buckets.committed, memory_order_acquire) >= sizeof(uint32_t) << bucket_bits;
}

/* An empty chain is passed over without a lock: who makes parts there does so before, or does not mind. */
static void drop_range(uintptr_t from, uintptr_t end, bool may_wait) {
    size_t all = (size_t)1 << bucket_bits, first = from >> GRANULE_SHIFT,
           count = ((end - 1) >> GRANULE_SHIFT) - first + 1;
    if (!reserved || end <= from || !there()) return;
    for (size_t i = 0; i < min_size(count, all); i++) {
        size_t bucket = count < all ? bucket_of((first + i) << GRANULE_SHIFT) : i;
        if (get(bucket_at(bucket)) == 0) continue;
        if (may_wait)
            lock_take(lock_of(bucket));
        else if (!lock_try(lock_of(bucket)))
            continue; /* the next block of this place will */
        (void)take_out(bucket, from, end);
        lock_give(lock_of(bucket));
    }
}

void pools_drop(const struct place *place, bool may_wait) {
    drop_range((uintptr_t)place->start, (uintptr_t)place->start + place->size, may_wait);
}

/* The block's entry has the bit from here on. False: it is gone. */
static bool mark(const struct place *place) {
    _Atomic uint32_t *state = &place->side->state;
    uint32_t now = atomic_load_explicit(state, memory_order_acquire);
    if (SIDE_IS_LIVE(now) && (now & SIDE_POOLED)) return true;
    pools_drop(place, true);
    while (SIDE_IS_LIVE(now))
        if (atomic_compare_exchange_weak_explicit(state, &now, now | SIDE_POOLED, memory_order_acq_rel,
                                                  memory_order_acquire))
            return true;
    return false;
}

static void fill(struct node *n, const struct part *p) {
    n->size = p->size & 0xffffffffffff;
    n->epoch = state_epoch() & 0xff;
    n->ignored = p->ignored;
    n->time = p->time >> SIDE_TIME_SHIFT & 0xffffffffff;
    n->thread = p->thread & 0xffffff;
    n->stack = p->stack;
    atomic_store_explicit(&n->start, p->start, memory_order_release);
}

bool pools_add(const struct place *place, const struct part *part) {
    size_t bucket = bucket_of(part->start);
    if (!region_commit(&buckets, sizeof(uint32_t) << bucket_bits)) return false;
    if (place && !mark(place)) return true;
    lock_take(lock_of(bucket));
    (void)take_out(bucket, part->start, part->start + 1);
    uint32_t i = take_free(bucket);
    if (unlikely(i == 0)) {
        lock_give(lock_of(bucket));
        i = make();
        if (i == 0) return false;
        lock_take(lock_of(bucket));
    }
    fill(node_at(i), part);
    set(&node_at(i)->next, get(bucket_at(bucket)));
    set(bucket_at(bucket), i);
    lock_give(lock_of(bucket));
    return true;
}

bool pools_remove(const void *start) {
    uintptr_t at = (uintptr_t)start;
    size_t bucket = bucket_of(at);
    if (!reserved || !there()) return false;
    lock_take(lock_of(bucket));
    bool was = take_out(bucket, at, at + 1) > 0;
    lock_give(lock_of(bucket));
    return was;
}

bool pools_ignore(const void *start) {
    size_t bucket = bucket_of((uintptr_t)start);
    if (!reserved || !there()) return false;
    lock_take(lock_of(bucket));
    uint32_t i = get(bucket_at(bucket));
    while (i != 0 && start_of(node_at(i)) != (uintptr_t)start) i = get(&node_at(i)->next);
    if (i != 0) node_at(i)->ignored = 1;
    lock_give(lock_of(bucket));
    return i != 0;
}

/* --- for dumps --- */

void pools_each(void (*see)(void *context, const struct part *part), void *context) {
    size_t made = atomic_load_explicit(&nodes.committed, memory_order_acquire) / sizeof(struct node);
    uint32_t count = (uint32_t)min_size(made, atomic_load_explicit(&used, memory_order_acquire));
    for (uint32_t i = 1; reserved && i < count; i++) {
        const struct node n = *node_at(i);
        if (n.start == 0) continue;
        struct part part = {.start = n.start,
                            .size = n.size,
                            .time = (uint64_t)n.time << SIDE_TIME_SHIFT,
                            .stack = n.stack,
                            .thread = (uint32_t)n.thread,
                            .inherited = n.epoch != state_epoch(),
                            .ignored = n.ignored != 0};
        see(context, &part);
    }
}

bool pools_holds(const struct part *part) {
    struct place place = arena_find((const void *)part->start);
    if (place.kind == PLACE_FOREIGN) return true;
    if (!place.tracked || !place.exists) return false;
    uint32_t state = atomic_load_explicit(&place.side->state, memory_order_acquire);
    size_t offset = part->start - (uintptr_t)place.start;
    return SIDE_IS_LIVE(state) && (state & SIDE_POOLED) && offset < place.side->size &&
           part->size <= place.side->size - offset;
}
