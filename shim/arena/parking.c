/* Threads that come and go: heaps are made, parked when their threads end, adopted by the next ones. See heap.h. */
#include "shim/arena/counts.h"
#include "shim/arena/heap.h"
#include "shim/arena/kept.h"
#include "shim/arena/sample.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/region.h"
#include "shim/base/sys.h"

#include <stdatomic.h>

static struct region heaps;
static _Atomic size_t heaps_made;
static _Atomic(struct heap *) warm, bare; /* parked, with empty slabs and without; newest first; under LOCK_HEAPS */
static _Atomic uint32_t adopting;         /* the process that may adopt heaps of its parent's threads; 0: none */
static size_t orphans_next, orphans_end;  /* which may be such, by index; under LOCK_HEAPS */
static const struct heap *forker;         /* the one heap of that time that is somebody's */
static size_t heap_size = HEAP_SIZE;
static unsigned heap_bins;

bool heap_start(bool tracks) {
    heap_size = tracks ? HEAP_SIZE_TRACKED : HEAP_SIZE;
    heap_bins = tracks ? 2 * CLASSES : CLASSES;
    return region_reserve(&heaps, HEAPS_MAX * heap_size, false) && counts_start(HEAPS_MAX);
}

size_t heap_count(void) {
    return atomic_load_explicit(&heaps_made, memory_order_acquire);
}
struct heap *heap_at(size_t i) {
    return (struct heap *)(void *)(heaps.base + i * heap_size);
}

uint32_t heap_process(void) {
    return atomic_load_explicit(&lock_page.owner, memory_order_relaxed);
}

static void take_over(struct heap *h) {
    atomic_store_explicit(&h->busy, 1, memory_order_relaxed); /* until arena_leave, or until it is parked */
    atomic_store_explicit(&h->parked, 0, memory_order_relaxed);
    atomic_store_explicit(&h->process, heap_process(), memory_order_release);
}

static struct heap *make_heap(void) {
    size_t i = atomic_load_explicit(&heaps_made, memory_order_relaxed);
    do {
        if (i >= HEAPS_MAX || !region_commit(&heaps, (i + 1) * heap_size) || !counts_make(i)) return NULL;
    } while (
        !atomic_compare_exchange_weak_explicit(&heaps_made, &i, i + 1, memory_order_acq_rel, memory_order_relaxed));
    struct heap *h = heap_at(i);
    h->index = (uint32_t)i;
    take_over(h);
    return h;
}

/* The newest heap of the list that was parked before `until`, and of those that others gave something back to, if only
 * such are `wanted`. One at a time: what is on the lists is what keeps threads that start from making new ones. */
enum wanted { ANY, WITH_QUEUE };
static struct heap *unpark(_Atomic(struct heap *) *list, uint64_t until, enum wanted wanted) {
    /* A look before the lock: a heap parked this instant serves the next thread. */
    if (!atomic_load_explicit(list, memory_order_relaxed)) return NULL;
    lock_take(LOCK_HEAPS);
    struct heap *before = NULL, *h = atomic_load_explicit(list, memory_order_relaxed);
    for (; h; before = h, h = h->next_parked) {
        if (h->parked_since < until && (wanted == ANY || atomic_load_explicit(&h->queue, memory_order_relaxed))) break;
    }
    if (h) {
        if (before)
            before->next_parked = h->next_parked;
        else
            atomic_store_explicit(list, h->next_parked, memory_order_relaxed);
        take_over(h);
    }
    lock_give(LOCK_HEAPS);
    return h;
}

/* A heap whose thread a fork has left behind. */
static struct heap *take_orphan(void) {
    struct heap *h = NULL;
    uint32_t process = atomic_load_explicit(&adopting, memory_order_acquire);
    if (likely(process == 0) || process != heap_process()) return NULL;
    lock_take(LOCK_HEAPS);
    while (!h && orphans_next < orphans_end) {
        h = heap_at(orphans_next++);
        uint32_t of = atomic_load_explicit(&h->process, memory_order_acquire); /* 0: it is being made just now */
        if (h == forker || of == process || of == 0 || atomic_load_explicit(&h->parked, memory_order_relaxed) ||
            atomic_load_explicit(&h->busy, memory_order_relaxed)) {
            h = NULL;
        }
    }
    if (h) take_over(h);
    lock_give(LOCK_HEAPS);
    return h;
}

static void park(_Atomic(struct heap *) *list, struct heap *h) {
    atomic_store_explicit(&h->parked, 1, memory_order_relaxed);
    atomic_store_explicit(&h->busy, 0, memory_order_release);
    lock_take(LOCK_HEAPS);
    h->next_parked = atomic_load_explicit(list, memory_order_relaxed);
    atomic_store_explicit(list, h, memory_order_relaxed);
    lock_give(LOCK_HEAPS);
}

struct heap *heap_for_a_call(void) {
    struct heap *h = unpark(&warm, UINT64_MAX, ANY);
    if (!h) h = unpark(&bare, UINT64_MAX, ANY);
    if (!h) h = take_orphan();
    return h ? h : make_heap();
}

void heap_forked(void) {
    /* The thread was interrupted while it had a heap that it did not know yet: nobody can tell which one. */
    if (!tls.heap && tls.depth > 0) return;
    forker = tls.heap;
    orphans_next = 0;
    orphans_end = heap_count();
    atomic_store_explicit(&adopting, sys_getpid(), memory_order_release);
}

struct heap *heap_mine(void) {
    if (likely(tls.heap != NULL)) return tls.heap;
    struct heap *h = tls.dying ? NULL : heap_for_a_call();
    if (!h) return NULL;
    tls.heap = h;
    heap_publish(h);
    return h;
}

/* `keep`: but for current ones that have not grown far. True: there is one. */
static bool collect_bin(struct heap *h, bool tracked, unsigned class, bool keep) {
    struct bin *bin = heap_bin(h, tracked, class);
    struct slab *s = bin->current, *next;
    bool kept = false;
    if (s && s->class == class && s->used <= s->refilled && s->used == slab_free_length(s) && slab_holds_nothing(s)) {
        kept = keep && slab_grown(s) <= SLAB_STEP_MAX;
        if (!kept) {
            heap_retire_current(h, tracked, class);
            slab_give_back(s);
        }
    }
    for (s = bin->list; s; s = next) { /* emptied where it could not be given back at once: inside a signal handler */
        next = s->next;
        if (slab_used(s) > 0 || !slab_holds_nothing(s)) continue;
        heap_unlist(s);
        slab_give_back(s);
    }
    return kept;
}

static bool collect(struct heap *h, bool keep) {
    bool kept = false;
    kept_give_back(h);
    (void)heap_drain(h);
    /* Samples are few: the next thread may not need the memory of this one's. */
    for (unsigned i = 0; i < heap_bins; i++)
        kept |= collect_bin(h, i >= CLASSES, i % CLASSES, keep && !(sample_on && i >= CLASSES));
    return kept;
}

void heap_collect(struct heap *h) {
    (void)collect(h, false);
}

void heap_park(struct heap *h) {
    if (!collect(h, true)) {
        park(&bare, h);
        return;
    }
    h->parked_since = clock_coarse();
    park(&warm, h);
    slices_begin_wait();
}

static void park_bare(struct heap *h) {
    heap_collect(h);
    park(&bare, h);
}

/* Gives back what the heaps retain that were parked before `until`. */
static void cool(uint64_t until) {
    struct heap *h;
    for (size_t n = heap_count(); n > 0 && (h = unpark(&warm, until, ANY)) != NULL; n--) park_bare(h);
}

void heap_give_back_retained(void) {
    if (!slices_end_wait()) return;
    (void)kept_seize(false);
    (void)slices_purge(false);
    cool(clock_coarse() - SLICES_PERIOD);
    if (heap_waits_for_long()) (void)heap_claim_waiting();
    if (kept_any() || heap_any_waits() || atomic_load_explicit(&warm, memory_order_relaxed)) slices_begin_wait();
}

void heap_drain_parked(void) {
    _Atomic(struct heap *) *lists[] = {&warm, &bare};
    struct heap *h;
    for (unsigned i = 0; i < ARRAY_LENGTH(lists); i++) {
        for (size_t n = heap_count(); n > 0 && (h = unpark(lists[i], UINT64_MAX, WITH_QUEUE)) != NULL; n--) {
            (void)heap_drain(h);
            park(lists[i], h);
        }
    }
}

void heap_collect_parked(void) {
    struct heap *h;
    cool(UINT64_MAX);
    while ((h = take_orphan()) != NULL) park_bare(h);
    for (size_t n = heap_count(); n > 0 && (h = unpark(&bare, UINT64_MAX, WITH_QUEUE)) != NULL; n--) park_bare(h);
}
