/* See records.h. */
#include "shim/box/records.h"
#include "shim/base/lock.h"
#include "shim/base/options.h"
#include "shim/base/random.h"
#include "shim/base/region.h"
#include "shim/box/beacon.h"

#include <stdatomic.h>

#define NODES_MAX       (1u << 22) /* 160 MiB; a share of it where address space is limited */
#define BUCKET_BITS     16         /* 256 KiB, charged at the first record */
#define BUCKET_BITS_MIN 10
#define BUCKET_SHARE    256 /* one part in so many of a ceiling, at most */
#define BACK_OFF_MAX    30
#define POSITION_MAX    UINT16_MAX
#define NUMBER_BITS     42
#define NUMBER_MAX      (((uint64_t)1 << NUMBER_BITS) - 1)

struct node {
    _Atomic uint64_t block; /* where it begins; 0: the node is free */
    uint64_t number : NUMBER_BITS, thread : 22;
    uint64_t time : 40, kind : 8, position : 16; /* time in 2^SIDE_TIME_SHIFT ns; how many are older and there */
    uint32_t stack, detail;
    _Atomic uint32_t next;  /* in a chain: the head of another block; 0: none */
    _Atomic uint32_t older; /* of the same block; of a free node: the next one */
};
_Static_assert(sizeof(struct node) == sizeof(struct core_record) &&
                   offsetof(struct node, stack) == offsetof(struct core_record, stack) &&
                   offsetof(struct node, older) == offsetof(struct core_record, older) && NUMBER_BITS == 42,
               "a record is as the reader of a core knows it");

_Atomic bool records_on;
static bool reserved; /* the tables; written once, before records_on is true */
static struct region nodes, buckets;
static unsigned bucket_bits;
static _Atomic uint32_t used = 1; /* nodes ever made; the first is nobody's */
static _Atomic uint64_t lost;

const struct core_records core_records = {.at_buckets = CORE_ADDRESS(buckets.base),
                                          .at_buckets_committed = CORE_ADDRESS(buckets.committed),
                                          .at_nodes = CORE_ADDRESS(nodes.base),
                                          .at_nodes_committed = CORE_ADDRESS(nodes.committed),
                                          .at_used = CORE_ADDRESS(used),
                                          .at_lost = CORE_ADDRESS(lost)};

/* Guarded by the stripe's lock. */
static struct stripe {
    _Atomic uint32_t free; /* nodes */
    uint64_t random;
} ALIGNED(64) stripes[LOCK_STRIPES];

static bool reserve(void) {
    bucket_bits = BUCKET_BITS;
    while (bucket_bits > BUCKET_BITS_MIN && sizeof(uint32_t) << bucket_bits > options.max_direct / BUCKET_SHARE)
        bucket_bits--;
    if (!region_reserve(&nodes, NODES_MAX * sizeof(struct node), false) ||
        !region_reserve(&buckets, sizeof(uint32_t) << bucket_bits, true) || !hints_start())
        return false;
    nodes.greedy = true;
    while (sizeof(uint32_t) << bucket_bits > buckets.size) bucket_bits--; /* a limited address space */
    return true;
}

bool records_set(bool wanted) {
    static bool refused;
    wanted = wanted && options.target_records > 0;
    if (wanted && !reserved && !refused) {
        reserved = reserve();
        refused = !reserved;
    }
    atomic_store_explicit(&records_on, wanted && reserved, memory_order_release);
    return reserved || !wanted;
}

bool records_any(void) {
    return reserved;
}

void records_count_lost(void) {
    atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
}
uint64_t records_lost(void) {
    return atomic_load_explicit(&lost, memory_order_relaxed);
}

/* --- nodes --- */

static struct node *node_at(uint32_t i) {
    return (struct node *)(void *)nodes.base + i;
}
static uint32_t get(const _Atomic uint32_t *link) {
    return atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)link, memory_order_relaxed);
}
static void set(_Atomic uint32_t *link, uint32_t to) {
    atomic_store_explicit(link, to, memory_order_release);
}
static uint64_t block_of(const struct node *n) {
    return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&n->block, memory_order_relaxed);
}

/* Outside of the lock: it may ask the kernel. 0: no room. */
static uint32_t make(void) {
    uint32_t i = atomic_load_explicit(&used, memory_order_relaxed);
    do {
        if (i >= NODES_MAX || !region_commit(&nodes, (i + 1) * sizeof(struct node))) return 0;
    } while (!atomic_compare_exchange_weak_explicit(&used, &i, i + 1, memory_order_relaxed, memory_order_relaxed));
    return i;
}

static uint32_t take_free(struct stripe *s) {
    uint32_t i = get(&s->free);
    if (i != 0) set(&s->free, get(&node_at(i)->older));
    return i;
}

static void give_back(struct stripe *s, uint32_t i) {
    atomic_store_explicit(&node_at(i)->block, 0, memory_order_relaxed);
    set(&node_at(i)->older, get(&s->free));
    set(&s->free, i);
}

static void give_back_list(struct stripe *s, uint32_t head) {
    for (uint32_t i = head, next; i != 0; i = next) {
        next = get(&node_at(i)->older);
        give_back(s, i);
    }
}

/* --- chains --- */

struct where {
    _Atomic uint32_t *bucket;
    enum lock_name lock;
    struct stripe *stripe;
};

static struct where where(uint64_t block) {
    uint64_t at = (block >> 4) * 0x9e3779b97f4a7c15u >> (64 - bucket_bits);
    uint32_t stripe = (uint32_t)at % LOCK_STRIPES;
    return (struct where){(_Atomic uint32_t *)(void *)buckets.base + at, (enum lock_name)(LOCK_RECORDS + stripe),
                          &stripes[stripe]};
}

/* What leads to the block's list: a link of its chain, whose value is 0 where there is none. */
static _Atomic uint32_t *find(const struct where *w, uint64_t block) {
    _Atomic uint32_t *link = w->bucket;
    for (uint32_t i; (i = get(link)) != 0 && block_of(node_at(i)) != block;) link = &node_at(i)->next;
    return link;
}

static uint32_t take_out(const struct where *w, uint64_t block) {
    _Atomic uint32_t *link = find(w, block);
    uint32_t head = get(link);
    if (head != 0) set(link, get(&node_at(head)->next));
    return head;
}

static void put_in(const struct where *w, uint32_t head) {
    set(&node_at(head)->next, get(w->bucket));
    set(w->bucket, head);
}

/* Under the lock: the block's entry has the bit from here on, and no list is there but this block's. False: it is gone.
 */
static bool mark(const struct where *w, const struct place *place, uint64_t block) {
    _Atomic uint32_t *state = &place->side->state;
    uint32_t now = atomic_load_explicit(state, memory_order_acquire);
    if (SIDE_IS_LIVE(now) && (now & SIDE_RECORDED)) return true;
    give_back_list(w->stripe, take_out(w, block));
    while (SIDE_IS_LIVE(now))
        if (atomic_compare_exchange_weak_explicit(state, &now, now | SIDE_RECORDED, memory_order_acq_rel,
                                                  memory_order_acquire))
            return true;
    return false;
}

/* As Netty thins: what comes beyond the target replaces the newest one, and the more likely so the more there are. */
static bool replaces(struct stripe *s, uint32_t kept) {
    if (kept < options.target_records) return false;
    uint64_t back_off = min_size(kept - options.target_records, BACK_OFF_MAX);
    return (random_next(&s->random) & (((uint64_t)1 << back_off) - 1)) != 0 || kept == POSITION_MAX;
}

static void fill(struct node *n, uint64_t block, const struct record *r) {
    n->thread = r->thread & 0x3fffff;
    n->time = r->time >> SIDE_TIME_SHIFT & 0xffffffffff;
    n->kind = (uint64_t)r->kind & 0xff;
    n->stack = r->stack;
    n->detail = r->detail;
    atomic_store_explicit(&n->block, block, memory_order_release);
}

/* Node i, or where there is none the newest one's, becomes the newest. False: it is nobody's, and there was none. */
static bool push(const struct where *w, uint64_t block, uint32_t i, const struct record *r) {
    _Atomic uint32_t *link = find(w, block);
    uint32_t head = get(link);
    struct node before = {0};
    if (head != 0) before = *node_at(head);
    uint32_t kept = head != 0 ? before.position + 1u : 0;
    bool replace = head != 0 && (i == 0 || replaces(w->stripe, kept));
    if (i == 0) i = take_out(w, block);
    if (i == 0) return false;
    struct node *n = node_at(i);
    n->number = before.number < NUMBER_MAX ? before.number + 1u : NUMBER_MAX;
    n->position = (replace ? before.position : kept) & 0xffff;
    set(&n->older, replace ? get(&before.older) : head);
    fill(n, block, r);
    if (head == 0 || head == i) {
        put_in(w, i);
        return true;
    }
    set(&n->next, get(&before.next));
    set(link, i);
    if (replace) give_back(w->stripe, head);
    return true;
}

bool records_add(const struct place *place, const struct record *r) {
    uint64_t block = (uintptr_t)place->start;
    struct where w = where(block);
    if (!region_commit(&buckets, sizeof(uint32_t) << bucket_bits)) return false;
    lock_take(w.lock);
    uint32_t i = take_free(w.stripe);
    if (unlikely(i == 0)) {
        lock_give(w.lock);
        i = make();
        lock_take(w.lock);
    }
    bool live = mark(&w, place, block), added = live && push(&w, block, i, r);
    if (!live && i != 0) give_back(w.stripe, i);
    lock_give(w.lock);
    return added || !live;
}

void records_drop(const void *block, bool may_wait) {
    struct where w = where((uintptr_t)block);
    if (may_wait)
        lock_take(w.lock);
    else if (!lock_try(w.lock))
        return; /* the next block of this place will */
    give_back_list(w.stripe, take_out(&w, (uintptr_t)block));
    lock_give(w.lock);
}

void records_move(const void *from, const struct place *to) {
    struct where w = where((uintptr_t)from);
    uint64_t block = (uintptr_t)to->start;
    lock_take(w.lock);
    uint32_t head = take_out(&w, (uintptr_t)from);
    lock_give(w.lock);
    for (uint32_t i = head; i != 0; i = get(&node_at(i)->older))
        atomic_store_explicit(&node_at(i)->block, block, memory_order_release);
    w = where(block);
    lock_take(w.lock);
    give_back_list(w.stripe, take_out(&w, block));
    if (head != 0 && mark(&w, to, block))
        put_in(&w, head);
    else
        give_back_list(w.stripe, head);
    lock_give(w.lock);
}

/* --- for dumps --- */

static void see_list(uint32_t head, uint32_t count,
                     void (*see)(void *context, const void *block, uint64_t number, const struct record *r),
                     void *context) {
    uint64_t block = block_of(node_at(head));
    uint32_t most = node_at(head)->position + 1u; /* others may be changing what this follows */
    for (uint32_t i = head; i != 0 && i < count && most > 0; i = get(&node_at(i)->older), most--) {
        const struct node n = *node_at(i);
        if (block == 0 || block_of(&n) != block) return;
        struct record r = {.kind = (enum dump_record_kind)n.kind,
                           .detail = n.detail,
                           .stack = n.stack,
                           .thread = (uint32_t)n.thread,
                           .time = (uint64_t)n.time << SIDE_TIME_SHIFT};
        see(context, (const void *)block, n.number, &r);
    }
}

void records_each(void (*see)(void *context, const void *block, uint64_t number, const struct record *r),
                  void *context) {
    size_t there = atomic_load_explicit(&buckets.committed, memory_order_acquire) / sizeof(uint32_t);
    size_t made = atomic_load_explicit(&nodes.committed, memory_order_acquire) / sizeof(struct node);
    uint32_t count = (uint32_t)min_size(made, atomic_load_explicit(&used, memory_order_acquire)), steps = count;
    for (size_t b = 0; b < there; b++) {
        uint32_t i = get((_Atomic uint32_t *)(void *)buckets.base + b);
        for (; i != 0 && i < count && steps > 0; i = get(&node_at(i)->next), steps--) see_list(i, count, see, context);
    }
}
