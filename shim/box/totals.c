/* See totals.h. */
#include "shim/box/totals.h"
#include "shim/arena/heap.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/region.h"
#include "shim/box/beacon.h"
#include "shim/box/format_box.h"
#include "shim/box/live.h"
#include "shim/box/live_blocks.h"
#include "shim/box/live_file.h"
#include "shim/box/stacks.h"
#include "shim/box/state.h"

#include <stdatomic.h>

#define ROWS_MAX BOX_TOTALS_MOST /* what is past them is counted with the others */
#define WAYS     512             /* a thread remembers so many of its rows */

/* What a heap's thread adds up by itself. */
struct tally {
    int64_t live, most; /* bytes made and given back since these were last added to everybody's; that are kept back */
    const struct side *last; /* what it tracked last; NULL: that is gone */
    struct {
        uint32_t stack, row;
    } known[WAYS];
};

static struct region firsts, tallies; /* firsts: by stack, the first of its rows */
static bool on;
static uint32_t epoch; /* state_epoch() */
static _Atomic uint32_t rows_used;
static _Atomic int64_t live, peak, noted; /* bytes by 2^DUMP_TOTAL_SHIFT; the highest; the peak that rows know of */
static _Atomic uint32_t noting;           /* somebody does; as lock_try_word has it */

const struct core_totals core_totals = {.at_box = CORE_ADDRESS(live_base),
                                        .at_used = CORE_ADDRESS(rows_used),
                                        .path = CORE_ADDRESS(live_file_path),
                                        .at_peak = CORE_ADDRESS(peak),
                                        .at_noted = CORE_ADDRESS(noted)};

bool totals_start(void) {
    if (!live_base || !live_reach(BOX_AT_TOTALS, sizeof(struct dump_total)) ||
        !region_reserve(&firsts, STACKS_MAX * sizeof(uint32_t), false) ||
        !region_reserve(&tallies, HEAPS_MAX * sizeof(struct tally), false))
        return false;
    firsts.greedy = true;
    rows_used = 1;
    return on = true;
}

/* They lie in the box. */
ALWAYS_INLINE struct dump_total *row_at(uint32_t i) {
    return (struct dump_total *)live_at(BOX_AT_TOTALS) + i;
}

uint32_t totals_count(void) {
    return atomic_load_explicit(&rows_used, memory_order_acquire);
}
static uint32_t key_of(uint32_t heap) {
    return heap << 7 | epoch;
}
#define NO_HEAP_INDEX HEAPS_MAX /* of threads without one, which have made large blocks only: their rows are shared */
const struct dump_total *totals_at(uint32_t i) {
    return row_at(i)->heap % 128 == key_of(0) ? row_at(i) : NULL;
}

/* --- finding a row --- */

static uint32_t append(uint32_t stack, uint32_t key) {
    live_need();
    uint32_t i = atomic_load_explicit(&rows_used, memory_order_relaxed);
    do {
        if (i >= ROWS_MAX || !live_reach(BOX_AT_TOTALS + i * sizeof(struct dump_total), sizeof(struct dump_total)))
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&rows_used, &i, i + 1, memory_order_relaxed, memory_order_relaxed));
    live_note_stack(stack);
    row_at(i)->heap = key;
    __atomic_store_n(&row_at(i)->stack, stack, __ATOMIC_RELEASE);
    return i;
}

static uint32_t find_or_add(uint32_t stack, uint32_t key) {
    if (!region_commit(&firsts, (stack + (size_t)1) * sizeof(uint32_t))) return 0;
    _Atomic uint32_t *at = (_Atomic uint32_t *)(void *)firsts.base + stack;
    uint32_t first = atomic_load_explicit(at, memory_order_acquire), mine = 0;
    for (;;) {
        for (uint32_t i = first; i != 0; i = row_at(i)->next)
            if (row_at(i)->heap == key) return i;
        if (mine == 0 && (mine = append(stack, key)) == 0) return 0;
        row_at(mine)->next = first;
        if (atomic_compare_exchange_strong_explicit(at, &first, mine, memory_order_acq_rel, memory_order_acquire))
            return mine;
    }
}

static COLD struct tally *make_tally(struct heap *h) {
    if (!region_commit(&tallies, (h->index + 1) * sizeof(struct tally))) return NULL;
    return h->tally = (struct tally *)(void *)tallies.base + h->index;
}

/* A heap's is where it is for ever. */
ALWAYS_INLINE struct tally *my_tally(void) {
    struct heap *h = tls.heap;
    return likely(h && h->tally) ? h->tally : h ? make_tally(h) : NULL;
}

static NOINLINE struct dump_total *look_row_up(struct tally *t, uint32_t stack, uint32_t key) {
    uint32_t i = find_or_add(stack, key), way = stack % WAYS;
    t->known[way].row = 0; /* a signal handler finds everybody's row or the right one */
    atomic_signal_fence(memory_order_seq_cst);
    t->known[way].stack = stack;
    atomic_signal_fence(memory_order_seq_cst);
    t->known[way].row = i;
    return row_at(i);
}

ALWAYS_INLINE struct dump_total *row_of(struct tally *t, uint32_t stack) {
    if (unlikely(!t)) return row_at(find_or_add(stack, key_of(NO_HEAP_INDEX)));
    uint32_t key = key_of(tls.heap->index), way = stack % WAYS, row;
    if (likely((stack + (size_t)1) * sizeof row <= atomic_load_explicit(&firsts.committed, memory_order_acquire))) {
        row = atomic_load_explicit((_Atomic uint32_t *)(void *)firsts.base + stack, memory_order_acquire);
        if (likely(row != 0 && row_at(row)->heap == key)) return row_at(row); /* where one thread alone makes such */
    }
    row = t->known[way].row;
    bool mine = row_at(row)->heap == key || row == 0; /* 0: there was no room for one */
    return likely(t->known[way].stack == stack && mine) ? row_at(row) : look_row_up(t, stack, key);
}

/* --- adding --- */

/* `everybodys`: it is the first row, or one of threads without a heap. */
ALWAYS_INLINE void add(bool everybodys, uint64_t *to, uint64_t n) {
    if (unlikely(everybodys))
        (void)__atomic_fetch_add(to, n, __ATOMIC_RELAXED);
    else
        __asm__("addq %1, %0" : "+m"(*to) : "er"(n) : "cc");
}
ALWAYS_INLINE void count(bool everybodys, uint32_t *to) {
    if (unlikely(everybodys))
        (void)__atomic_fetch_add(to, 1, __ATOMIC_RELAXED);
    else
        __asm__("addl $1, %0" : "+m"(*to) : : "cc");
}

/* A peak is noted when it is over: as soon as one part in SLACK less is live, if it was that much higher than the last.
 */
#define SLACK 128

static void note_peak(int64_t now) {
    if (!lock_try_word(&noting)) return;
    for (uint32_t i = 0, n = totals_count(); i < n; i++) {
        struct dump_total *r = row_at(i);
        r->peak_blocks = r->allocations - r->frees;
        r->peak_bytes = r->bytes - r->freed_bytes;
    }
    atomic_store_explicit(&noted, now, memory_order_relaxed);
    lock_give_word(&noting);
}

/* Small amounts are kept back, so that threads do not meet at each block. */
#define KEPT_LEAST ((int64_t)KIB << DUMP_TOTAL_SHIFT)
#define KEPT_SHARE 512
#define KEPT_MOST  ((int64_t)(64 * KIB) << DUMP_TOTAL_SHIFT)

static NOINLINE void change_live(int64_t bytes) {
    int64_t now = atomic_fetch_add_explicit(&live, bytes, memory_order_relaxed) + bytes;
    int64_t highest = atomic_load_explicit(&peak, memory_order_relaxed);
    live_seen();
    while (now > highest)
        if (atomic_compare_exchange_weak_explicit(&peak, &highest, now, memory_order_relaxed, memory_order_relaxed))
            return;
    int64_t known = atomic_load_explicit(&noted, memory_order_relaxed);
    if (now < highest - highest / SLACK && highest > known + known / SLACK) note_peak(highest);
}

static NOINLINE void settle(struct tally *t) {
    int64_t share = atomic_load_explicit(&peak, memory_order_relaxed) / KEPT_SHARE;
    t->most = share < KEPT_LEAST ? KEPT_LEAST : share > KEPT_MOST ? KEPT_MOST : share;
    change_live(__atomic_exchange_n(&t->live, 0, __ATOMIC_RELAXED));
}

ALWAYS_INLINE void add_live(struct tally *t, int64_t bytes) {
    if (unlikely(!t)) {
        change_live(bytes);
        return;
    }
    __asm__("addq %1, %0" : "+m"(t->live) : "er"(bytes) : "cc");
    if (unlikely(t->live > t->most) || unlikely(t->live < -t->most)) settle(t);
}

ALWAYS_INLINE uint64_t weight_of(struct draw draw) {
    if (likely(draw.class == SAMPLE_CERTAIN)) return 1u << DUMP_TOTAL_SHIFT;
    return sample_weight(draw) >> (SAMPLE_WEIGHT_SHIFT - DUMP_TOTAL_SHIFT);
}

void totals_made(const struct side *side) {
    if (!on) return;
    struct tally *t = my_tally();
    struct dump_total *row = row_of(t, side->stack);
    bool everybodys = row == row_at(0) || !t;
    uint64_t weight = weight_of(side_draw(side)), bytes = side->size * weight;
    count(everybodys, &row->samples);
    add(everybodys, &row->allocations, weight);
    add(everybodys, &row->bytes, bytes);
    add_live(t, (int64_t)bytes);
    if (t) t->last = side;
    if (unlikely(live_blocks_on)) live_block_made(side);
}

/* By powers of four of 2^SIDE_TIME_SHIFT ns. */
static uint32_t lifetime_of(const struct side *side) {
    uint64_t now = clock_coarse() >> SIDE_TIME_SHIFT, age = now > side->time ? now - side->time : 0;
    uint32_t power = age < 4 ? 0 : (63 - (uint32_t)__builtin_clzl(age)) / 2;
    return (uint32_t)min_size(power, DUMP_LIFETIMES - 1);
}

void totals_freed(const struct side *side) {
    if (!on) return;
    if (unlikely(live_blocks_on)) live_block_gone(side);
    struct tally *t = my_tally();
    struct dump_total *row = row_of(t, side->stack);
    bool everybodys = row == row_at(0) || !t;
    uint64_t weight = weight_of(side_draw(side)), bytes = side->size * weight;
    add_live(t, -(int64_t)bytes); /* first, since a peak that is over by that is one with the block */
    add(everybodys, &row->frees, weight);
    add(everybodys, &row->freed_bytes, bytes);
    count(everybodys, &row->lifetimes[lifetime_of(side)]);
    if (t && t->last == side) {
        t->last = NULL;
        add(everybodys, &row->temporary, weight);
    }
}

void totals_changed(const struct side *side, const struct side *old, uint64_t old_size, struct draw old_draw) {
    if (!on) return;
    struct tally *t = my_tally();
    struct dump_total *row = row_of(t, side->stack);
    bool everybodys = row == row_at(0) || !t;
    if (t && t->last == old) t->last = side;
    uint64_t was = weight_of(old_draw);
    uint64_t is = weight_of(side_draw(side));
    int64_t more = (int64_t)(side->size * is) - (int64_t)(old_size * was);
    if (more < 0) add_live(t, more);
    /* What it stood for so far has moved, and is drawn elsewhere. */
    add(everybodys, &row->frees, was - is);
    add(everybodys, &row->freed_bytes, (was - is) * old_size);
    if (side->size > old_size)
        add(everybodys, &row->bytes, (side->size - old_size) * is);
    else
        add(everybodys, &row->freed_bytes, (old_size - side->size) * is);
    if (more > 0) add_live(t, more);
    if (unlikely(live_blocks_on)) live_block_made(side);
}

static _Atomic int64_t inherited; /* bytes by 2^DUMP_TOTAL_SHIFT */

void totals_inherited_changed(const struct side *now, uint64_t old_size, struct draw old_draw) {
    int64_t is = now ? (int64_t)(now->size * weight_of(side_draw(now))) : 0;
    int64_t was = (int64_t)(old_size * weight_of(old_draw));
    if (on) atomic_fetch_add_explicit(&inherited, is - was, memory_order_relaxed);
}

static size_t tally_count(void) {
    return atomic_load_explicit(&tallies.committed, memory_order_acquire) / sizeof(struct tally);
}
static struct tally *tally_at(size_t i) {
    return (struct tally *)(void *)tallies.base + i;
}

/* Bytes by 2^DUMP_TOTAL_SHIFT. */
static int64_t sum_of_live(void) {
    int64_t sum = atomic_load_explicit(&live, memory_order_relaxed);
    for (size_t i = 0, n = min_size(tally_count(), heap_count()); i < n; i++)
        sum += __atomic_load_n(&tally_at(i)->live, __ATOMIC_RELAXED);
    return sum;
}

void totals_forked(void) {
    int64_t found = atomic_load_explicit(&inherited, memory_order_relaxed) + sum_of_live();
    atomic_store_explicit(&inherited, found, memory_order_relaxed);
    epoch = state_epoch();
    if (!live_forked(found > 0 ? (uint64_t)found >> DUMP_TOTAL_SHIFT : 0)) {
        on = false;
        atomic_store_explicit(&rows_used, 0, memory_order_relaxed);
    }
    if (on) {
        (void)live_reach(BOX_AT_TOTALS, sizeof(struct dump_total));
        region_clear(&firsts);
        atomic_store_explicit(&rows_used, 1, memory_order_relaxed);
    }
    for (size_t i = 0, n = min_size(tally_count(), heap_count()); i < n; i++) tally_at(i)->live = 0;
    atomic_store_explicit(&live, 0, memory_order_relaxed);
    atomic_store_explicit(&peak, 0, memory_order_relaxed);
    atomic_store_explicit(&noted, 0, memory_order_relaxed);
}

bool totals_are_at_peak(void) {
    int64_t known = atomic_load_explicit(&noted, memory_order_relaxed);
    int64_t highest = atomic_load_explicit(&peak, memory_order_relaxed);
    int64_t now = sum_of_live();
    if (now > highest) highest = now;
    return highest > known + known / SLACK;
}
