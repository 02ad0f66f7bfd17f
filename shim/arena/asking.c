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

/* Of a heap whose owner is just giving, nobody can say what is still to come: SIZE_MAX. */
static size_t may_come_from(struct heap *h, uint32_t asked) {
    size_t bytes = 0;
    if (asked == ASKED_GIVING) return SIZE_MAX;
    for (unsigned c = 0; c < CLASSES; c++) {
        bytes += charged_currently(h, false, c);
        if (slices_has_sides()) bytes += charged_currently(h, true, c);
    }
    return bytes;
}

static size_t sum(size_t a, size_t b) {
    return a < SIZE_MAX - b ? a + b : SIZE_MAX;
}

size_t arena_ask(void) {
    size_t bytes = 0;
    for (size_t i = 0, n = heap_count(); i < n; i++) {
        struct heap *h = heap_at(i);
        uint32_t asked = ASKED_NOT;
        if (!is_others(h)) continue;
        (void)atomic_compare_exchange_strong_explicit(&h->asked, &asked, ASKED, memory_order_relaxed,
                                                      memory_order_relaxed);
        if (asked != ASKED_IN_VAIN) bytes = sum(bytes, may_come_from(h, asked));
    }
    return bytes;
}

/* Acquires what heap_answer released: what was given before is there for whoever collects it next. */
size_t arena_unanswered(void) {
    size_t bytes = 0;
    for (size_t i = 0, n = heap_count(); i < n; i++) {
        struct heap *h = heap_at(i);
        uint32_t asked = atomic_load_explicit(&h->asked, memory_order_acquire);
        if (is_others(h) && (asked == ASKED || asked == ASKED_GIVING)) bytes = sum(bytes, may_come_from(h, asked));
    }
    return bytes;
}

void arena_asked_in_vain(void) {
    for (size_t i = 0, n = heap_count(); i < n; i++) {
        _Atomic uint32_t *asked = &heap_at(i)->asked;
        uint32_t now = atomic_load_explicit(asked, memory_order_relaxed);
        if (now != ASKED_NOT)
            (void)atomic_compare_exchange_strong_explicit(asked, &now, ASKED_IN_VAIN, memory_order_relaxed,
                                                          memory_order_relaxed);
    }
}

void heap_answer(struct heap *h) {
    atomic_store_explicit(&h->asked, ASKED_GIVING, memory_order_relaxed);
    heap_wake_all(h);
    heap_collect(h);
    atomic_store_explicit(&h->asked, ASKED_NOT, memory_order_release);
}
