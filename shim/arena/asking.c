/* What other threads' heaps retain can be given by their owners only: an empty slab that a thread allocates from is
 * read by its fast path, which asks nobody. So they are asked, and do it in their next slow path; see arena.h. */
#include "shim/arena/arena.h"
#include "shim/arena/heap.h"

#include <stdatomic.h>

static bool is_others(const struct heap *h) {
    return h != tls.heap && atomic_load_explicit(&h->process, memory_order_relaxed) == heap_process() &&
           !atomic_load_explicit(&h->parked, memory_order_relaxed);
}

static size_t charged_currently(struct heap *h, bool tracked, unsigned class) {
    const struct slab *s = __atomic_load_n(&heap_bin(h, tracked, class)->current, __ATOMIC_RELAXED);
    return s && s->class == class ? slices_charged(s, min_size(s->slices, SLAB_SLICES_LARGE)) : 0;
}

static size_t retained(struct heap *h) {
    size_t bytes = 0;
    for (unsigned c = 0; c < CLASSES; c++) {
        bytes += charged_currently(h, false, c);
        if (slices_has_sides()) bytes += charged_currently(h, true, c);
    }
    return bytes;
}

size_t arena_ask(void) {
    size_t bytes = 0;
    for (size_t i = 0, n = heap_count(); i < n; i++) {
        struct heap *h = heap_at(i);
        uint32_t asked = ASKED_NOT;
        if (!is_others(h)) continue;
        (void)atomic_compare_exchange_strong_explicit(&h->asked, &asked, ASKED, memory_order_relaxed,
                                                      memory_order_relaxed);
        if (asked != ASKED_IN_VAIN) bytes += retained(h);
    }
    return bytes;
}

size_t arena_unanswered(void) {
    size_t bytes = 0;
    for (size_t i = 0, n = heap_count(); i < n; i++) {
        struct heap *h = heap_at(i);
        if (is_others(h) && atomic_load_explicit(&h->asked, memory_order_relaxed) == ASKED) bytes += retained(h);
    }
    return bytes;
}

void arena_asked_in_vain(void) {
    for (size_t i = 0, n = heap_count(); i < n; i++) {
        uint32_t asked = ASKED;
        (void)atomic_compare_exchange_strong_explicit(&heap_at(i)->asked, &asked, ASKED_IN_VAIN, memory_order_relaxed,
                                                      memory_order_relaxed);
    }
}

void heap_answer(struct heap *h) {
    heap_wake_all(h);
    heap_collect(h);
    atomic_store_explicit(&h->asked, ASKED_NOT, memory_order_release);
}
