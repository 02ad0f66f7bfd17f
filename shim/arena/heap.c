/* Heaps: allocation's slow path, and what their owners give back. See heap.h; what other threads give back is in
 * remote.c, threads that come and go are in parking.c. */
#include "shim/arena/heap.h"
#include "shim/arena/sample.h"
#include "shim/base/clock.h"

#include <stdatomic.h>

/* A sleeping slab wakes when one place in WAKE_SHARE is free, or WAKE_MAX are. Each waking is a slow path and a slab
 * that changes hands; until then so much of the slab lies idle. */
#define WAKE_SHARE    8
#define WAKE_MAX      32u
#define TIGHT_SECONDS 1000000000u /* ns after a refusal that memory is taken to be short for */

__thread struct tls tls = {.self = NO_HEAP};

static _Atomic uint64_t tight_since, tight_until; /* coarse clock; memory is short; 0: it is not */

/* --- the direct table --- */

static void publish(const struct heap *h, unsigned class, struct slab *s) {
    size_t size = class_size(class);
    if (size > SMALL_MAX || tls.heap != h) return;
    size_t first = class == 0 ? 0 : (class_size(class - 1) >> 4) + 1;
    if (!s || arena.tracks_all || tls.ignores_left) s = &slab_empty;
    for (size_t i = first; i <= size >> 4; i++) tls.direct[i] = s;
}

static void set_current(struct heap *h, bool tracked, unsigned class, struct slab *s) {
    heap_bin(h, tracked, class)->current = s;
    if (!tracked) publish(h, class, s);
}

void heap_publish(struct heap *h) {
    for (unsigned c = 0; class_size(c) <= SMALL_MAX; c++) publish(h, c, heap_bin(h, false, c)->current);
}

void heap_publish_class(struct heap *h, unsigned class) {
    publish(h, class, heap_bin(h, false, class)->current);
}

/* --- loans --- */

static unsigned lender_of(unsigned class) {
    size_t size = class_size(class);
    return size > LOAN_MAX ? class : class_of((size_t)1 << (64 - __builtin_clzl(size - 1)));
}

/* The slab's places are wanted by its own class, or it is going. */
static void end_loans(struct heap *h, bool tracked, const struct slab *s) {
    if (slab_grown(s) > 2 * SLAB_STEP_MAX) return; /* it made its last loan one step earlier at least, and grew since */
    for (unsigned c = s->class; c > 0 && lender_of(c - 1) == s->class; c--)
        if (heap_bin(h, tracked, c - 1)->current == s) set_current(h, tracked, c - 1, NULL);
}

void heap_retire_current(struct heap *h, bool tracked, unsigned class) {
    end_loans(h, tracked, heap_bin(h, tracked, class)->current);
    set_current(h, tracked, class, NULL);
}

/* --- a bin's list --- */

/* One store: others may look. */
static void set_counts(struct slab *s, uint32_t used, uint32_t asleep) {
    __atomic_store_n(&s->counts, used | (uint64_t)asleep << 32, __ATOMIC_RELAXED);
}

static void list_add(struct bin *bin, struct slab *s) {
    ASSERT(slab_rest(s) != REST_LISTED);
    s->previous = NULL;
    s->next = bin->list;
    if (bin->list) bin->list->previous = s;
    bin->list = s;
    atomic_store_explicit(&s->rest, REST_LISTED, memory_order_release);
}

static void unlink_listed(struct bin *bin, struct slab *s) {
    if (s->previous)
        s->previous->next = s->next;
    else
        bin->list = s->next;
    if (s->next) s->next->previous = s->previous;
}

static struct bin *bin_of(struct slab *s) {
    return heap_bin(slab_owner(s), (slab_owner_word(s) & OWNER_TRACKED) != 0, s->class);
}

void heap_unlist(struct slab *s) {
    ASSERT(slab_rest(s) == REST_LISTED);
    atomic_store_explicit(&s->rest, REST_NOT, memory_order_relaxed);
    unlink_listed(bin_of(s), s);
}

/* The first of the list, to allocate from: its rest ends, see claim. NULL: there is none that nobody claims. */
static struct slab *list_take(struct bin *bin) {
    struct slab *s = bin->list;
    for (; s; s = s->next) {
        atomic_store_explicit(&s->rest, REST_NOT, memory_order_seq_cst);
        if (!(atomic_load_explicit(&s->remote, memory_order_seq_cst) & (REMOTE_CLAIMED | REMOTE_GIVEN))) break;
        atomic_store_explicit(&s->rest, REST_LISTED, memory_order_release);
    }
    if (!s) return NULL;
    unlink_listed(bin, s);
    set_counts(s, slab_used(s), 0);
    return s;
}

/* --- sleep --- */

static bool is_tight(void) {
    uint64_t until = atomic_load_explicit(&tight_until, memory_order_relaxed);
    if (likely(until == 0)) return false;
    if (clock_coarse() < until) return true;
    atomic_store_explicit(&tight_until, 0, memory_order_relaxed);
    return false;
}

/* How many places must be free for it to be allocated from again. */
static uint32_t wake_count(const struct slab *s) {
    uint32_t share = slab_capacity(s) / WAKE_SHARE;
    return share <= 1 || is_tight() ? 1 : share < WAKE_MAX ? share : WAKE_MAX;
}

/* The slab rests: its counts tell when so many more places are free, or at its next waypoint. */
static void count_on(struct slab *s, uint32_t frees) {
    uint32_t used = slab_used(s), waypoint = slab_note_waypoint(s), left = frees < waypoint ? frees : waypoint;
    if (left > used) left = used;
    set_counts(s, left, used - left);
}

static void wake(struct slab *s) {
    count_on(s, UINT32_MAX);
    list_add(bin_of(s), s);
}

/* The slab sleeps on until enough places are free. The owner's first free after it fell asleep is a slow one, too: what
 * others gave back meanwhile is collected then, since the thread may sleep for long from there on. */
static void sleep_on(struct slab *s, uint32_t free) {
    uint32_t wanted = wake_count(s);
    ASSERT(free < wanted);
    count_on(s, free == 0 ? 1 : wanted - free);
}

/* The slab has no place to hand out. Who sees it asleep sees its last capacity. */
static void fall_asleep(struct slab *s) {
    ASSERT(slab_used(s) == slab_capacity(s));
    sleep_on(s, 0);
    atomic_store_explicit(&s->rest, REST_ASLEEP, memory_order_release);
}

void heap_freed_resting(struct slab *s) {
    if (slab_rest(s) == REST_NOT) return;
    if (slab_rest(s) == REST_LISTED) {
        count_on(s, UINT32_MAX);
        return;
    }
    uint32_t free = slab_capacity(s) - slab_used(s);
    if (free >= wake_count(s))
        wake(s);
    else
        sleep_on(s, free);
}

/* What is another heap's is not even looked at. */
static void each_asleep(const struct heap *h, void (*see)(struct slab *)) {
    for (int zone = ZONE_LOW; zone <= ZONE_HIGH; zone++) {
        size_t i, end;
        for (slices_bounds((enum slices_zone)zone, &i, &end); i < end; i++)
            if (slab_owner(&arena_slabs[i]) == h && slab_rest(&arena_slabs[i]) == REST_ASLEEP) see(&arena_slabs[i]);
    }
}

static void wake_if_any_is_free(struct slab *s) {
    if (s->local_free) wake(s);
}

static void wake_if_down(struct slab *s) {
    if ((int32_t)s->used <= 0) heap_freed_resting(s);
}

void heap_wake_missed(struct heap *h) {
    each_asleep(h, wake_if_down);
}

void heap_wake_all(struct heap *h) {
    uint64_t now = clock_coarse();
    if (atomic_load_explicit(&tight_until, memory_order_relaxed) == 0)
        atomic_store_explicit(&tight_since, now, memory_order_relaxed);
    atomic_store_explicit(&tight_until, now + TIGHT_SECONDS, memory_order_relaxed);
    /* What fell asleep since then wakes by itself. */
    if (h->woken >= atomic_load_explicit(&tight_since, memory_order_relaxed)) return;
    h->woken = now;
    each_asleep(h, wake_if_any_is_free);
}

/* --- taking --- */

/* The class gets another slab to allocate from. NULL: refused. */
static struct slab *next_slab(struct heap *h, unsigned class, bool tracked, bool another) {
    struct slab *s = list_take(heap_bin(h, tracked, class));
    if (!s) {
        s = slab_make(h, class, tracked, another);
        if (!s) return NULL;
        if (!slab_refill(s)) {
            slab_give_back(s);
            return NULL;
        }
    }
    set_current(h, tracked, class, s);
    return s;
}

/* A slab for a class that has none: another class's, if that has a place to lend, or may grow by one. */
static struct slab *take_loan(struct heap *h, unsigned class, bool tracked) {
    unsigned lender = lender_of(class);
    if (lender == class) return NULL;
    struct slab *s = heap_bin(h, tracked, lender)->current;
    if (!s) s = next_slab(h, lender, tracked, false);
    if (!s || slab_grown(s) > SLAB_STEP_MAX) return NULL;
    if (s->free == &slab_nil && !slab_refill(s)) return NULL;
    set_current(h, tracked, class, s);
    return s;
}

/* The slab, which is the class's current one, has something on `free`; false: there is nothing any more. */
static bool fill_up(struct heap *h, struct slab *s, unsigned class, bool tracked) {
    if (s->free != &slab_nil) return true;
    if (!s->local_free) {
        if (s->class != class) return false;
        end_loans(h, tracked, s); /* it is about to grow */
    }
    heap_tick();
    return slab_refill(s);
}

static void *take_or_draw(struct slab *s, struct heap_draw *draw) {
    if (sample_is_stale(s)) sample_redraw(s);
    draw->drawn = sample_is_due(s) && sample_take(s, &draw->draw);
    return draw->drawn ? NULL : slab_pop(s);
}

void *heap_take(struct heap *h, unsigned class, bool tracked, struct heap_draw *draw) {
    struct bin *bin = heap_bin(h, tracked, class);
    if (atomic_load_explicit(&h->queue, memory_order_relaxed)) (void)heap_drain(h);
    struct slab *s = bin->current;
    if (!s && !bin->list) s = take_loan(h, class, tracked);
    for (bool another = false;; another = true) {
        if (s) {
            if (fill_up(h, s, class, tracked)) return draw ? take_or_draw(s, draw) : slab_pop(s);
            if (s->class == class) {
                end_loans(h, tracked, s);
                fall_asleep(s);
            }
            set_current(h, tracked, class, NULL);
        }
        s = next_slab(h, class, tracked, another);
        if (!s) return NULL;
    }
}

void *heap_take_listed(struct heap *h, unsigned class) {
    struct bin *bin = heap_bin(h, false, class);
    struct slab *s = bin->current, *next;
    if (!bin->list || !s || s->class != class || s->free != &slab_nil || s->local_free) return NULL;
    if (slab_capacity(s) < s->reserved || !(next = list_take(bin))) return NULL;
    end_loans(h, false, s);
    fall_asleep(s);
    set_current(h, false, class, next);
    return slab_refill(next) && !sample_is_due(next) ? slab_pop(next) : NULL;
}

/* --- giving --- */

void heap_emptied(struct slab *s) {
    /* The current one stays as it is: its list is looked at before it is handed out, with what is freed until then. */
    if (s != bin_of(s)->current && slab_holds_nothing(s)) {
        /* Off the list when a handler filled it up between a fast free's look at the owner and its push. */
        if (slab_rest(s) == REST_LISTED) heap_unlist(s);
        slab_give_back(s);
    }
    heap_tick();
}

/* `used` came down to 0, or below where a signal handler freed more before this. The slab may have gone meanwhile: only
 * as long as it is this heap's nobody else writes to the rest. */
static bool is_down(const struct slab *s) {
    return slab_owner(s) == tls.heap && s->kind == KIND_SLAB && (int32_t)s->used <= 0;
}

void heap_counted_down(struct slab *s) {
    if (!is_down(s)) return;
    if (slab_rest(s) == REST_ASLEEP) {
        /* Others may have waited for this block only; the thread may sleep from here on. */
        if (atomic_load_explicit(&tls.heap->queue, memory_order_relaxed)) (void)heap_drain(tls.heap);
        if (!is_down(s)) return;
    }
    heap_freed_resting(s);
    /* A signal handler may have filled it up again. */
    if (slab_used(s) == 0 && s->free == &slab_nil) heap_emptied(s);
}

static void give_locally(struct slab *s, void *p) {
    struct link *b = p;
    link_set(b, s->local_free);
    s->local_free = b;
    atomic_signal_fence(memory_order_seq_cst); /* as in splice */
    s->used--;
    if ((int32_t)s->used <= 0) heap_counted_down(s);
}

void heap_give(struct slab *s, void *p) {
    if (slab_owner(s) == tls.heap)
        give_locally(s, p);
    else
        heap_give_remotely(s, p);
}
