/* Heaps: allocation's slow path, frees that the fast path declined, threads that come and go. See heap.h. */
#include "shim/arena/heap.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/region.h"
#include "shim/base/sys.h"

#include <stdatomic.h>

#define CLAIM_WAIT 1000000u /* pauses; a claim is undone after a few instructions */
#define CLAIM_SPIN 100u     /* pauses between yields */

__thread struct tls tls = {.self = NO_HEAP};

static struct region heaps;
static _Atomic size_t heaps_made;
static _Atomic(struct heap *) warm, bare; /* parked, with empty slabs and without; newest first; under LOCK_HEAPS */
static _Atomic uint32_t adopting;         /* the process that may adopt heaps of its parent's threads; 0: none */
static size_t orphans_next, orphans_end;  /* which may be such, by index; under LOCK_HEAPS */
static const struct heap *forker;         /* the one heap of that time that is somebody's */
static bool all_careful;
static size_t heap_size = HEAP_SIZE;
static unsigned heap_bins;

bool heap_start(bool tracks, bool careful) {
    all_careful = careful;
    heap_size = tracks ? HEAP_SIZE_TRACKED : HEAP_SIZE;
    heap_bins = tracks ? 2 * CLASSES : CLASSES;
    return region_reserve(&heaps, HEAPS_MAX * heap_size, false);
}

size_t heap_count(void) {
    return atomic_load_explicit(&heaps_made, memory_order_acquire);
}
struct heap *heap_at(size_t i) {
    return (struct heap *)(void *)(heaps.base + i * heap_size);
}

/* --- the direct table --- */

static void publish(const struct heap *h, unsigned class, struct slab *s) {
    size_t size = class_size(class);
    if (size > SMALL_MAX || tls.heap != h) return;
    size_t first = class == 0 ? 0 : (class_size(class - 1) >> 4) + 1;
    for (size_t i = first; i <= size >> 4; i++) tls.direct[i] = s ? s : &slab_empty;
}

static void set_current(struct heap *h, bool tracked, unsigned class, struct slab *s) {
    heap_bin(h, tracked, class)->current = s;
    if (!tracked) publish(h, class, s);
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

/* --- a bin's list --- */

static bool listed(struct slab *s) {
    return atomic_load_explicit(&s->listed, memory_order_relaxed) != 0;
}

static void list_add(struct bin *bin, struct slab *s) {
    ASSERT(!listed(s));
    s->previous = NULL;
    s->next = bin->list;
    if (bin->list) bin->list->previous = s;
    bin->list = s;
    atomic_store_explicit(&s->listed, 1, memory_order_release);
}

static void unlink_listed(struct bin *bin, struct slab *s) {
    if (s->previous)
        s->previous->next = s->next;
    else
        bin->list = s->next;
    if (s->next) s->next->previous = s->previous;
}

/* One whose every place the owner has, or that another thread has emptied. */
static void list_remove(struct bin *bin, struct slab *s) {
    ASSERT(listed(s));
    atomic_store_explicit(&s->listed, 0, memory_order_relaxed);
    unlink_listed(bin, s);
}

/* The first of the list, to allocate from: its rest ends, see claim. NULL: there is none that nobody claims. */
static struct slab *list_take(struct bin *bin) {
    struct slab *s = bin->list;
    for (; s; s = s->next) {
        atomic_store_explicit(&s->listed, 0, memory_order_seq_cst);
        if (!(atomic_load_explicit(&s->remote, memory_order_seq_cst) & (REMOTE_CLAIMED | REMOTE_EMPTIED))) break;
        atomic_store_explicit(&s->listed, 1, memory_order_release);
    }
    if (s) unlink_listed(bin, s);
    return s;
}

static struct bin *bin_of(struct slab *s) {
    return heap_bin(slab_owner(s), (slab_owner_word(s) & OWNER_TRACKED) != 0, s->class);
}

/* --- heaps of threads --- */

static uint32_t this_process(void) {
    return atomic_load_explicit(&lock_page.owner, memory_order_relaxed);
}

static void take_over(struct heap *h) {
    atomic_store_explicit(&h->busy, 1, memory_order_relaxed); /* until arena_leave, or until it is parked */
    atomic_store_explicit(&h->parked, 0, memory_order_relaxed);
    atomic_store_explicit(&h->process, this_process(), memory_order_release);
}

static struct heap *make_heap(void) {
    size_t i = atomic_load_explicit(&heaps_made, memory_order_relaxed);
    do {
        if (i >= HEAPS_MAX || !region_commit(&heaps, (i + 1) * heap_size)) return NULL;
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
static struct heap *adopt(void) {
    struct heap *h = NULL;
    uint32_t process = atomic_load_explicit(&adopting, memory_order_acquire);
    if (likely(process == 0) || process != this_process()) return NULL;
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
    atomic_store_explicit(&h->busy, 0, memory_order_relaxed);
    lock_take(LOCK_HEAPS);
    h->next_parked = atomic_load_explicit(list, memory_order_relaxed);
    atomic_store_explicit(list, h, memory_order_relaxed);
    lock_give(LOCK_HEAPS);
}

struct heap *heap_borrow(void) {
    struct heap *h = unpark(&warm, UINT64_MAX, ANY);
    if (!h) h = unpark(&bare, UINT64_MAX, ANY);
    if (!h) h = adopt();
    return h ? h : make_heap();
}

void heap_forked(void) {
    /* The thread was interrupted while it had a heap that it did not know yet: nobody can tell which one. */
    if (!tls.heap && tls.busy > 0) return;
    forker = tls.heap;
    orphans_next = 0;
    orphans_end = heap_count();
    atomic_store_explicit(&adopting, sys_getpid(), memory_order_release);
}

struct heap *heap_mine(void) {
    if (likely(tls.heap != NULL)) return tls.heap;
    struct heap *h = tls.dying ? NULL : heap_borrow();
    if (!h) return NULL;
    tls.heap = h;
    for (unsigned c = 0; class_size(c) <= SMALL_MAX; c++) publish(h, c, heap_bin(h, false, c)->current);
    return h;
}

/* --- taking --- */

/* The class gets another slab to allocate from. NULL: refused. */
static struct slab *next_slab(struct heap *h, unsigned class, bool tracked) {
    struct bin *bin = heap_bin(h, tracked, class);
    struct slab *s = list_take(bin);
    if (!s) {
        s = slab_make(h, class, tracked, all_careful);
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
static struct slab *borrow(struct heap *h, unsigned class, bool tracked) {
    unsigned lender = lender_of(class);
    if (lender == class) return NULL;
    struct slab *s = heap_bin(h, tracked, lender)->current;
    if (!s) s = next_slab(h, lender, tracked);
    if (!s || slab_grown(s) > SLAB_STEP_MAX) return NULL;
    if (s->free == &slab_nil && !slab_refill(s)) return NULL;
    set_current(h, tracked, class, s);
    return s;
}

/* A place of the slab, which is the class's current one; NULL: there is none any more. */
static void *take_from(struct heap *h, struct slab *s, unsigned class, bool tracked) {
    void *p = slab_pop(s);
    if (p) return p;
    if (!s->local_free) {
        if (s->class != class) return NULL;
        end_loans(h, tracked, s); /* it is about to grow */
    }
    heap_tick();
    return slab_refill(s) ? slab_pop(s) : NULL;
}

void *heap_take(struct heap *h, unsigned class, bool tracked) {
    struct bin *bin = heap_bin(h, tracked, class);
    if (atomic_load_explicit(&h->queue, memory_order_relaxed)) (void)heap_drain(h);
    struct slab *s = bin->current;
    if (!s && !bin->list) s = borrow(h, class, tracked);
    for (;;) {
        if (s) {
            void *p = take_from(h, s, class, tracked);
            if (p) return p;
            if (s->class == class) {
                end_loans(h, tracked, s);
                /* Who sees it FULL sees its last capacity. */
                atomic_store_explicit(&s->owner, slab_owner_word(s) | OWNER_FULL, memory_order_release);
            }
            set_current(h, tracked, class, NULL);
        }
        s = next_slab(h, class, tracked);
        if (!s) return NULL;
    }
}

/* --- giving --- */

/* A slab of any heap that this thread runs holds no block any more. */
static void emptied(struct slab *s) {
    struct bin *bin = bin_of(s);
    if (s == bin->current) {
        (void)slab_refill(s); /* its own places again, at once: the next allocation is a fast one */
    } else {
        /* Off the list when a handler filled it up between a fast free's look at the owner and its push. */
        if (listed(s)) list_remove(bin, s);
        slab_give_back(s);
    }
    heap_tick();
}

void heap_emptied(struct slab *s) {
    /* Between the free that found it empty and here, a signal handler may have used it, or seen it go. */
    if (s->kind != KIND_SLAB || slab_owner(s) != tls.heap || s->used != 0 || s->free != &slab_nil) return;
    emptied(s);
}

static void unfull(struct slab *s) {
    slab_set_owner_word(s, slab_owner_word(s) & ~(uintptr_t)OWNER_FULL);
    list_add(bin_of(s), s);
}

static void give_locally(struct slab *s, void *p) {
    struct link *b = p;
    link_set(b, s->local_free);
    s->local_free = b;
    bool full = (slab_owner_word(s) & OWNER_FULL) != 0;
    if (full) unfull(s);
    atomic_signal_fence(memory_order_seq_cst); /* as in splice */
    if (--s->used == 0) emptied(s);
    /* Others may have waited for this block only; the thread may sleep from here on. */
    if (full && atomic_load_explicit(&tls.heap->queue, memory_order_relaxed)) (void)heap_drain(tls.heap);
}

void heap_give(struct slab *s, void *p) {
    if (slab_owner(s) == tls.heap)
        give_locally(s, p);
    else
        heap_give_remotely(s, p);
}

static void enqueue(struct heap *h, struct slab *s) {
    struct slab *head = atomic_load_explicit(&h->queue, memory_order_relaxed);
    do s->remote_next = head;
    while (!atomic_compare_exchange_weak_explicit(&h->queue, &head, s, memory_order_release, memory_order_relaxed));
}

/* `used` is the owner's, whose fast free changes it with a plain instruction. */
__attribute__((no_sanitize("thread"))) static uint32_t used_of_others(const struct slab *s) {
    return __atomic_load_n(&s->used, __ATOMIC_RELAXED);
}

/* The owner of a slab whose every place is free, while it rests: FULL, or on its bin's list. `count` of them wait on
 * `remote`, the others came home before. NULL: not so. In this order: what ends a rest takes it off the list last. */
static struct heap *owner_of_free(struct slab *s, uint32_t count) {
    bool rests = atomic_load_explicit(&s->listed, memory_order_seq_cst) != 0;
    uintptr_t owner = atomic_load_explicit(&s->owner, memory_order_acquire);
    if (!rests && !(owner & OWNER_FULL)) return NULL;
    return used_of_others(s) == count ? (struct heap *)(owner & ~(uintptr_t)OWNER_BITS) : NULL;
}

/* Gives back the memory of a slab whose every place is free, `list` being what waits: no block of it is left, so its
 * owner can only touch it by draining, or by taking it off its bin's list. CLAIMED keeps it off both meanwhile. */
static bool claim(struct slab *s, uint64_t list) {
    uint64_t mark = (uint64_t)this_process() << 16 | REMOTE_QUEUED | REMOTE_CLAIMED, seen = list;
    if (!atomic_compare_exchange_strong_explicit(&s->remote, &seen, mark, memory_order_seq_cst, memory_order_relaxed))
        return false; /* the owner was faster */
    /* The same list may have come about anew since it was looked at, in a slab that was in use again in between: only
     * now it holds still, if it rests. */
    bool holds = owner_of_free(s, REMOTE_COUNT(list)) != NULL;
    if (holds) slices_empty(s, s->slices);
    atomic_store_explicit(&s->remote, holds ? REMOTE_QUEUED | REMOTE_EMPTIED : list, memory_order_release);
    return holds;
}

static bool claim_in(enum slices_zone zone) {
    bool given = false;
    size_t i, end;
    for (slices_bounds(zone, &i, &end); i < end; i++) {
        struct slab *s = &arena_slabs[i];
        uint64_t list = atomic_load_explicit(&s->remote, memory_order_acquire);
        bool waits = list != 0 && !(list & (REMOTE_CLAIMED | REMOTE_EMPTIED));
        if (waits && owner_of_free(s, REMOTE_COUNT(list))) given |= claim(s, list);
    }
    return given;
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

void heap_give_remotely(struct slab *s, void *p) {
    struct link *b = p;
    size_t bytes = (size_t)s->slices << SLICE_SHIFT; /* read while p keeps the slab */
    uint64_t old = atomic_load_explicit(&s->remote, memory_order_relaxed), new;
    do {
        /* There is a block, so the claim is a mistake that is being undone. */
        for (unsigned wait = 0; unlikely(old & REMOTE_CLAIMED);
             old = atomic_load_explicit(&s->remote, memory_order_relaxed)) {
            /* A signal handler waits for its own thread, or a child of fork for one that it does not have: the block is
             * lost. */
            if (++wait == CLAIM_WAIT || REMOTE_CLAIMER(old) != this_process()) return;
            if (wait % CLAIM_SPIN != 0)
                __builtin_ia32_pause();
            else
                (void)sys0(SYS_sched_yield); /* it may wait for this processor */
        }
        link_set(b, REMOTE_POINTER(old));
        new = (uint64_t)(uintptr_t)p | (uint64_t)(REMOTE_COUNT(old) + 1) << 48 | REMOTE_QUEUED;
    } while (!atomic_compare_exchange_weak_explicit(&s->remote, &old, new, memory_order_acq_rel, memory_order_relaxed));
    if (!(old & REMOTE_QUEUED)) {
        /* The place that was just given keeps `used` above zero until the owner drains it, so the slab and its owner
         * stay what they are. */
        enqueue(slab_owner(s), s);
    }
    /* The slab may be gone by now, or another one; heaps stay. The claim finds out, being for just this list. */
    if (likely(used_of_others(s) != REMOTE_COUNT(new))) return;
    struct heap *h = owner_of_free(s, REMOTE_COUNT(new));
    if (h && atomic_fetch_add_explicit(&h->waiting, bytes, memory_order_relaxed) >= WAITING_MAX) (void)claim(s, new);
}

/* Puts the remote list's `count` places on local_free. */
static void splice(struct slab *s, struct link *list, uint32_t count) {
    if (s->local_free) {
        struct link *tail = list;
        for (uint32_t i = 1; i < count && link_next(tail); i++) tail = link_next(tail);
        link_set(tail, s->local_free);
    }
    s->local_free = list;
    ASSERT(s->used >= count);
    atomic_signal_fence(memory_order_seq_cst); /* who sees `used` may give the memory back: nothing is written after */
    s->used -= count;
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
    uint64_t r = take_remote(s);
    if (r & REMOTE_CLAIMED) {
        if (REMOTE_CLAIMER(r) == this_process()) enqueue(h, s); /* its memory is being given back this very moment */
    } else if (r & REMOTE_EMPTIED) {
        ASSERT(s->free == &slab_nil);
        if (listed(s)) list_remove(bin_of(s), s);
        s->used = 0;
        slab_give_back(s);
    } else {
        splice(s, REMOTE_POINTER(r), REMOTE_COUNT(r));
        if (slab_owner_word(s) & OWNER_FULL) unfull(s);
        if (s->used == 0) emptied(s);
    }
}

bool heap_drain(struct heap *h) {
    struct slab *s = atomic_exchange_explicit(&h->queue, NULL, memory_order_acquire), *next;
    if (!s) return false;
    atomic_store_explicit(&h->waiting, 0, memory_order_relaxed);
    for (; s; s = next) {
        next = s->remote_next; /* read first: once `remote` is empty, others may queue the slab again */
        ASSERT(slab_owner(s) == h);
        drain_slab(h, s);
    }
    return true;
}

/* `keep`: but for current ones that have not grown far. True: there is one. */
static bool collect_bin(struct heap *h, bool tracked, unsigned class, bool keep) {
    struct bin *bin = heap_bin(h, tracked, class);
    struct slab *s = bin->current, *next;
    bool kept = false;
    if (s && s->class == class && s->used == slab_free_length(s)) {
        kept = keep && slab_grown(s) <= SLAB_STEP_MAX;
        if (!kept) {
            end_loans(h, tracked, s);
            set_current(h, tracked, class, NULL);
            slab_give_back(s);
        }
    }
    for (s = bin->list; s; s = next) { /* emptied where it could not be given back at once: inside a signal handler */
        next = s->next;
        if (s->used > 0) continue;
        list_remove(bin, s);
        slab_give_back(s);
    }
    return kept;
}

static bool collect(struct heap *h, bool keep) {
    bool kept = false;
    (void)heap_drain(h);
    for (unsigned i = 0; i < heap_bins; i++) kept |= collect_bin(h, i >= CLASSES, i % CLASSES, keep);
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
    (void)slices_purge(false);
    cool(clock_coarse() - SLICES_PERIOD);
    if (atomic_load_explicit(&warm, memory_order_relaxed)) slices_begin_wait();
}

void heap_collect_parked(void) {
    struct heap *h;
    cool(UINT64_MAX);
    while ((h = adopt()) != NULL) park_bare(h);
    for (size_t n = heap_count(); n > 0 && (h = unpark(&bare, UINT64_MAX, WITH_QUEUE)) != NULL; n--) park_bare(h);
}
