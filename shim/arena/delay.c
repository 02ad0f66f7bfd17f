/* See delay.h. */
#include "shim/arena/delay.h"
#include "shim/arena/slices.h"
#include "shim/base/sys.h"

#include <stdatomic.h>

static bool on;
static _Atomic(void *) small[DELAY_SMALL], large[DELAY_LARGE], runs[DELAY_RUNS];
static _Atomic uint32_t small_next, large_next, runs_next;

void delay_start(void) {
    on = true;
}

/* Takes the place of the one that has waited longest, which is returned. */
static void *queue(_Atomic(void *) *table, uint32_t size, _Atomic uint32_t *next, void *p) {
    uint32_t at = atomic_fetch_add_explicit(next, 1, memory_order_relaxed) % size;
    return atomic_exchange_explicit(&table[at], p, memory_order_acq_rel);
}

static void *end_one(_Atomic(void *) *table, uint32_t size) {
    for (uint32_t i = 0; i < size; i++) {
        void *p = atomic_load_explicit(&table[i], memory_order_relaxed);
        if (p && (p = atomic_exchange_explicit(&table[i], NULL, memory_order_acq_rel))) return p;
    }
    return NULL;
}

char *delay_place(char *p, size_t size) {
    if (likely(!on)) return p;
    return size <= SMALL_MAX ? queue(small, DELAY_SMALL, &small_next, p) : queue(large, DELAY_LARGE, &large_next, p);
}

char *delay_end_place(void) {
    if (likely(!on)) return NULL;
    char *p = end_one(small, DELAY_SMALL);
    return p ? p : end_one(large, DELAY_LARGE);
}

/* Its span is nobody's and not free; a run that can be opened no more stays so. */
static struct slab *open_run(struct slab *s) {
    return !s || sys_mprotect(slab_start(s), (size_t)s->run.slices << SLICE_SHIFT, PROT_READ | PROT_WRITE) ? s : NULL;
}

struct slab *delay_run(struct slab *s) {
    if (likely(!on)) return s;
    size_t count = s->run.slices;
    for (size_t i = 0; i < count; i++) s[i].kind = KIND_NONE;
    slices_drop(s, count);
    (void)sys_mprotect(slab_start(s), count << SLICE_SHIFT, PROT_NONE);
    return open_run(queue(runs, DELAY_RUNS, &runs_next, s));
}

struct slab *delay_end_run(void) {
    return likely(!on) ? NULL : open_run(end_one(runs, DELAY_RUNS));
}

void delay_each_place(void (*look)(const void *p)) {
    for (uint32_t i = 0; i < DELAY_SMALL + DELAY_LARGE; i++) {
        _Atomic(void *) *at = i < DELAY_SMALL ? &small[i] : &large[i - DELAY_SMALL];
        const void *p = atomic_load_explicit(at, memory_order_acquire);
        if (p) look(p);
    }
}
