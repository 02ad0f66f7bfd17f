/* What other threads give back: the slab's remote list, the owner's queue, and claims on what waits for an owner that
 * sleeps. ARCHITECTURE.md, section 4, has the states; remote.pml and claim.pml are this file for a model checker. */
#include "shim/arena/arena.h"
#include "shim/arena/heap.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/sys.h"

#include <stdatomic.h>

#define CLAIM_WAIT 1000000u /* pauses; a claim is undone after a few instructions */
#define CLAIM_SPIN 100u     /* pauses between yields */

static void enqueue(struct heap *h, struct slab *s) {
    struct slab *head = atomic_load_explicit(&h->queue, memory_order_relaxed);
    do s->remote_next = head;
    while (!atomic_compare_exchange_weak_explicit(&h->queue, &head, s, memory_order_release, memory_order_relaxed));
}

/* The counts are the owner's, whose fast free changes them with a plain instruction; both in one load. */
__attribute__((no_sanitize("thread"))) static uint32_t used_of_others(const struct slab *s) {
    uint64_t counts = __atomic_load_n(&s->counts, __ATOMIC_RELAXED);
    return (uint32_t)counts + (uint32_t)(counts >> 32);
}

/* The owner of a slab whose every place is free, while it rests. `count` of them wait on `remote`, the others came home
 * before. NULL: not so. In this order: what ends a rest takes it off the list last. */
static struct heap *owner_of_free(struct slab *s, uint32_t count) {
    if (atomic_load_explicit(&s->rest, memory_order_seq_cst) == REST_NOT) return NULL;
    return used_of_others(s) == count ? slab_owner(s) : NULL;
}

/* Gives back the memory of a slab whose every place is free, `list` being what waits: no block of it is left, so its
 * owner can only touch it by draining, or by taking it off its bin's list. CLAIMED keeps it off both meanwhile. */
static bool claim(struct slab *s, uint64_t list) {
    uint64_t mark = (uint64_t)heap_process() << 16 | REMOTE_QUEUED | REMOTE_CLAIMED, seen = list;
    if (!atomic_compare_exchange_strong_explicit(&s->remote, &seen, mark, memory_order_seq_cst, memory_order_relaxed))
        return false; /* the owner was faster */
    /* The same list may have come about anew since it was looked at, in a slab that was in use again in between: only
     * now it holds still, if it rests. */
    bool holds = owner_of_free(s, REMOTE_COUNT(list)) != NULL && slab_is_all_free(s, REMOTE_POINTER(list));
    if (holds) slices_drop(s, s->slices);
    atomic_store_explicit(&s->remote, holds ? REMOTE_QUEUED | REMOTE_GIVEN : list, memory_order_release);
    return holds;
}

static bool claim_in(enum slices_zone zone) {
    bool given = false;
    size_t i, end;
    for (slices_bounds(zone, &i, &end); i < end; i++) {
        struct slab *s = &arena_slabs[i];
        uint64_t list = atomic_load_explicit(&s->remote, memory_order_acquire);
        bool waits = list != 0 && !(list & (REMOTE_CLAIMED | REMOTE_GIVEN));
        if (waits && owner_of_free(s, REMOTE_COUNT(list))) given |= claim(s, list);
    }
    return given;
}

/* More than WAITING_MAX has waited for a period. */
bool heap_waits_for_long(void) {
    bool waits = false;
    for (size_t i = 0; i < heap_count(); i++) {
        struct heap *h = heap_at(i);
        bool much = atomic_load_explicit(&h->waiting, memory_order_relaxed) > WAITING_MAX;
        waits |= atomic_exchange_explicit(&h->waited, much, memory_order_relaxed) && much;
    }
    return waits;
}

bool heap_any_waits(void) {
    for (size_t i = 0; i < heap_count(); i++)
        if (atomic_load_explicit(&heap_at(i)->waiting, memory_order_relaxed) > WAITING_MAX) return true;
    return false;
}

bool heap_claim_waiting(void) {
    static _Atomic uint64_t looked; /* coarse clock */
    uint64_t now = clock_coarse();
    bool waits = false, may_wait = false, given = false;
    slices_purge_begins(); /* before the word is gone that there is something */
    for (size_t i = 0; i < heap_count(); i++) {
        struct heap *h = heap_at(i);
        may_wait |= atomic_load_explicit(&h->queue, memory_order_relaxed) != NULL;
        if (atomic_load_explicit(&h->waiting, memory_order_relaxed) > 0)
            waits |= atomic_exchange_explicit(&h->waiting, 0, memory_order_relaxed) > 0;
    }
    /* Nobody has said so where the last free was the owner's, a fast one. A tick of the clock between such looks. */
    waits |= may_wait && atomic_exchange_explicit(&looked, now, memory_order_relaxed) != now;
    if (waits) given = claim_in(ZONE_LOW);
    if (waits && arena.small) given |= claim_in(ZONE_HIGH); /* its zones help each other out */
    slices_purge_ends();
    return given;
}

/* All of the slab waits on h. A heap that nobody runs is drained at once: what it had serves others. A thread may come
 * soon, so its slabs wait for a period, unless they are many. */
static NOINLINE void waits_now(struct heap *h, struct slab *s, size_t bytes, uint64_t list) {
    size_t waiting = atomic_fetch_add_explicit(&h->waiting, bytes, memory_order_relaxed);
    if (waiting < WAITING_MAX) return;
    if (waiting >= WAITING_LIMIT) {
        (void)claim(s, list);
    } else if (!atomic_load_explicit(&h->parked, memory_order_relaxed)) {
        slices_begin_wait();
    } else if (tls.depth == 0) { /* else a slow path is under way, maybe one with a lock */
        bool outermost = arena_enter();
        if (outermost) heap_drain_parked();
        arena_leave(outermost);
    }
}

/* The slab may be gone by now, or another one; heaps stay. The claim finds out, being for just this list. (While the
 * owner allocates from it, its counts are not even looked at: they lie on a line that it writes.) */
ALWAYS_INLINE void look_whether_all_waits(struct slab *s, uint64_t list, size_t slices) {
    if (slab_rest(s) == REST_NOT || likely(used_of_others(s) != REMOTE_COUNT(list))) return;
    struct heap *h = owner_of_free(s, REMOTE_COUNT(list));
    if (h) waits_now(h, s, slices << SLICE_SHIFT, list);
}

/* p is the first on `remote`. It counts as used until the owner drains it, so the slab and its owner stay what they
 * are. */
static NOINLINE void queue_for_owner(struct slab *s, const void *p, uint64_t list, size_t slices) {
    s->remote_last = (uint16_t)((size_t)((const char *)p - slab_start(s)) >> 4);
    enqueue(slab_owner(s), s);
    look_whether_all_waits(s, list, slices);
}

/* There is a block, so the claim is a mistake that is being undone. A signal handler waits for its own thread, or a
 * child of fork for one that it does not have: the block is lost. */
static NOINLINE void give_behind_claim(struct slab *s, void *p) {
    uint64_t old;
    for (unsigned wait = 1; (old = atomic_load_explicit(&s->remote, memory_order_relaxed)) & REMOTE_CLAIMED; wait++) {
        if (wait == CLAIM_WAIT || REMOTE_CLAIMER(old) != heap_process()) return;
        if (wait % CLAIM_SPIN != 0)
            __builtin_ia32_pause();
        else
            (void)sys0(SYS_sched_yield); /* it may wait for this processor */
    }
    heap_give_remotely(s, p);
}

/* Calls are its last act, so that it has no register to save. */
void heap_give_remotely(struct slab *s, void *p) {
    size_t slices = s->slices; /* read while p keeps the slab */
    uint64_t old = atomic_load_explicit(&s->remote, memory_order_relaxed), new;
    do {
        if (unlikely(old & REMOTE_CLAIMED)) {
            give_behind_claim(s, p);
            return;
        }
        link_set((struct link *)p, REMOTE_POINTER(old));
        new = (uint64_t)(uintptr_t)p | (uint64_t)(REMOTE_COUNT(old) + 1) << 48 | REMOTE_QUEUED;
    } while (!atomic_compare_exchange_weak_explicit(&s->remote, &old, new, memory_order_acq_rel, memory_order_relaxed));
    if (old & REMOTE_QUEUED)
        look_whether_all_waits(s, new, slices);
    else
        queue_for_owner(s, p, new, slices);
}

/* Puts the remote list on local_free, where it is looked at before it is handed out. Tracked places have states. */
static void splice(struct slab *s, struct link *list, struct link *last, uint32_t count) {
    struct link *behind = link_next(last);
    if (unlikely(behind != NULL)) { /* the list may be a ring now, and is lost */
        slab_misused(slab_in_same_span(behind, last) ? SLAB_FREED_TWICE : SLAB_OVERWRITTEN, last);
        return;
    }
    link_set(last, s->local_free);
    atomic_signal_fence(memory_order_seq_cst);
    s->local_free = list;
    atomic_signal_fence(memory_order_seq_cst); /* who sees the counts may give the memory back: no write comes after */
    s->used -= count;
    /* More came home than was out: one of them twice. */
    if (unlikely(slab_used(s) > slab_capacity(s))) (void)slab_holds_nothing(s);
}

/* Takes the remote list, unless it is claimed. What there was. */
static uint64_t take_remote(struct slab *s) {
    uint64_t r = atomic_load_explicit(&s->remote, memory_order_acquire);
    do {
        if (r & REMOTE_CLAIMED) return r;
    } while (!atomic_compare_exchange_weak_explicit(&s->remote, &r, 0, memory_order_acq_rel, memory_order_acquire));
    return r;
}

static void drain_slab(struct heap *h, struct slab *s) {
    struct link *last = (struct link *)(void *)(slab_start(s) + ((size_t)s->remote_last << 4)); /* as remote_next */
    uint64_t r = take_remote(s);
    if (r & REMOTE_CLAIMED) {
        if (REMOTE_CLAIMER(r) == heap_process()) enqueue(h, s); /* its memory is being given back this very moment */
    } else if (r & REMOTE_GIVEN) {
        ASSERT(s->free == &slab_nil);
        if (slab_rest(s) == REST_LISTED) heap_unlist(s);
        slab_give_back(s);
    } else {
        splice(s, REMOTE_POINTER(r), last, REMOTE_COUNT(r));
        heap_freed_resting(s);
        if (slab_used(s) == 0) heap_emptied(s);
    }
}

bool heap_drain(struct heap *h) {
    struct slab *s = atomic_exchange_explicit(&h->queue, NULL, memory_order_acquire), *next;
    if (!s) return false;
    if (atomic_load_explicit(&h->waiting, memory_order_relaxed) > 0)
        atomic_store_explicit(&h->waiting, 0, memory_order_relaxed);
    for (; s; s = next) {
        next = s->remote_next; /* read first: once `remote` is empty, others may queue the slab again */
        ASSERT(slab_owner(s) == h);
        drain_slab(h, s);
    }
    return true;
}
