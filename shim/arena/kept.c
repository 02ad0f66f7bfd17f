/* See kept.h. */
#include "shim/arena/kept.h"
#include "shim/arena/heap.h"
#include "shim/base/lock.h"
#include "shim/base/sys.h"

#include <linux/membarrier.h>
#include <stdatomic.h>

#define SLICES_MAX 16
#define BYTES_MAX  (4 * MIB) /* a heap's, as spans */

/* Three or four sizes a doubling: at most a third of a span is beyond the block, and that is address space until a
 * larger block has used it. */
static const uint8_t class_of_slices[SLICES_MAX + 1] = {0, 0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7};
static const uint8_t slices_of_class[KEPT_CLASSES] = {1, 2, 3, 4, 6, 8, 12, 16};

static bool on;
static _Atomic uint32_t period = 1; /* counts them; what was put there in the one that ends stays */

static bool barrier(int command) {
    return sys3(SYS_membarrier, command, 0, 0) == 0;
}

bool kept_start(void) {
    on = !arena.small && !slices_guarded() && barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
    return on;
}

size_t kept_round(size_t slices) {
    return on && slices <= SLICES_MAX ? slices_of_class[class_of_slices[slices]] : slices;
}

static size_t bytes_of(const struct slab *s) {
    return (size_t)s->run.slices << SLICE_SHIFT;
}

static bool is_seized(const struct heap *h) {
    uint32_t by = atomic_load_explicit(&((struct heap *)(uintptr_t)h)->kept.seized, memory_order_acquire);
    return unlikely(by != 0) && by == heap_process();
}

static void add_bytes(struct heap *h, size_t n) {
    size_t bytes = atomic_load_explicit(&h->kept.bytes, memory_order_relaxed);
    atomic_store_explicit(&h->kept.bytes, bytes + n, memory_order_relaxed);
}

/* ThreadSanitizer knows nothing of membarrier. */
#define BEHIND_BARRIER __attribute__((no_sanitize("thread")))

BEHIND_BARRIER struct slab *kept_take(struct heap *h, size_t slices) {
    if (!on || slices > SLICES_MAX || is_seized(h)) return NULL;
    struct slab **places = h->kept.runs[class_of_slices[slices]];
    for (unsigned i = 0; i < KEPT_EACH; i++) {
        struct slab *s = places[i];
        if (!s) continue;
        places[i] = NULL;
        add_bytes(h, (size_t)0 - bytes_of(s));
        return s;
    }
    return NULL;
}

BEHIND_BARRIER bool kept_put(struct heap *h, struct slab *s) {
    size_t slices = s->run.slices;
    if (!on || slices > SLICES_MAX || slices_of_class[class_of_slices[slices]] != slices || is_seized(h)) return false;
    if (atomic_load_explicit(&h->kept.bytes, memory_order_relaxed) + bytes_of(s) > BYTES_MAX) return false;
    struct slab **places = h->kept.runs[class_of_slices[slices]];
    unsigned i = 0;
    while (i < KEPT_EACH && places[i]) i++;
    if (i == KEPT_EACH) return false;
    s->kind = KIND_KEPT;
    atomic_signal_fence(memory_order_seq_cst); /* a child of fork must not find it in two places */
    places[i] = s;
    add_bytes(h, bytes_of(s));
    s->run.kept_in = atomic_load_explicit(&period, memory_order_relaxed);
    slices_begin_wait();
    return true;
}

/* All of them, or what was not put there in period `now`. */
BEHIND_BARRIER static bool give(struct heap *h, bool all, uint32_t now) {
    bool any = false;
    for (unsigned i = 0; i < KEPT_CLASSES * KEPT_EACH; i++) {
        struct slab *s = h->kept.runs[i / KEPT_EACH][i % KEPT_EACH];
        if (!s || (!all && s->run.kept_in == now)) continue;
        h->kept.runs[i / KEPT_EACH][i % KEPT_EACH] = NULL;
        add_bytes(h, (size_t)0 - bytes_of(s));
        slices_give(s, s->run.slices);
        any = true;
    }
    return any;
}

static bool has_any(struct heap *h) {
    return atomic_load_explicit(&h->kept.bytes, memory_order_relaxed) > 0;
}

void kept_give_back(struct heap *h) {
    if (has_any(h) && !is_seized(h)) (void)give(h, true, 0);
}

void kept_give_up(struct heap *h) {
    if (!is_seized(h)) (void)give(h, true, 0);
    atomic_store_explicit(&h->kept.bytes, 0, memory_order_relaxed); /* they may not have added up */
}

/* --- others' --- */

bool kept_any(void) {
    for (size_t i = 0; i < heap_count(); i++)
        if (has_any(heap_at(i))) return true;
    return false;
}

static bool seize_others(void) {
    bool any = false;
    for (size_t i = 0; i < heap_count(); i++) {
        if (heap_at(i) == tls.heap || !has_any(heap_at(i))) continue;
        atomic_store_explicit(&heap_at(i)->kept.seized, heap_process(), memory_order_seq_cst);
        any = true;
    }
    return any;
}

/* `fenced`: there was the barrier; else they are only let go of. */
static bool empty_seized(bool fenced, bool all, uint32_t now) {
    bool any = false;
    for (size_t i = 0; i < heap_count(); i++) {
        struct heap *h = heap_at(i);
        if (!is_seized(h)) continue;
        if (fenced && atomic_load_explicit(&h->busy, memory_order_acquire) == 0) any |= give(h, all, now);
        atomic_store_explicit(&h->kept.seized, 0, memory_order_release);
    }
    return any;
}

bool kept_seize(bool all) {
    if (!on) return false;
    if (all)
        lock_take(LOCK_KEPT);
    else if (!lock_try(LOCK_KEPT))
        return false;
    uint32_t now = atomic_load_explicit(&period, memory_order_relaxed);
    bool any = tls.heap && !is_seized(tls.heap) && give(tls.heap, all, now);
    if (seize_others()) any |= empty_seized(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED), all, now);
    if (!all) atomic_store_explicit(&period, now + 1, memory_order_relaxed);
    lock_give(LOCK_KEPT);
    return any;
}
