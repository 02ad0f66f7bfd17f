/* See near.h. */
#include "shim/arena/near.h"
#include "shim/arena/heap.h"
#include "shim/arena/run.h"
#include "shim/arena/sample.h"

/* Once a list, which is often enough for memory that was freed to go back while all allocations are fast ones. */
static NOINLINE void tick(void) {
    bool outermost = arena_enter();
    if (outermost) heap_give_back_retained();
    arena_leave(outermost);
}

/* The current slab has nothing left; a place of the next one of the list. */
static NOINLINE void *next_listed(struct heap *h, unsigned class) {
    atomic_store_explicit(&h->busy, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    void *p = heap_take_listed(h, class);
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&h->busy, 0, memory_order_release);
    return p;
}

#define PUTS_A_LOOK 16

static NOINLINE void *pop_run(size_t n) {
    if (!arena.runs_near || n >= RUN_HIGH) return NULL;
    bool outermost = arena_enter();
    if (outermost) run_give_late_ones();
    uint64_t passes = sample_on && outermost ? sample_passes_run(n) : 0;
    void *p = outermost && (!sample_on || passes) ? run_take_kept(n, false) : NULL;
    if (p) tls.run_distance -= passes;
    if (held_cancels_behind(1, 0) && p) {
        run_give(slab_of(p));
        p = NULL;
    }
    arena_leave(outermost);
    return p;
}

/* A cancellation of the thread came meanwhile, which will not have the place. NULL: it did not end the thread. */
static NOINLINE void *give_up(void *p) {
    bool outermost = arena_enter();
    if (p && outermost) heap_give(slab_head(slab_of(p)), p);
    arena_leave(outermost);
    return NULL;
}

static NOINLINE bool push_run(void *p) {
    struct slab *s = slab_of(p);
    if (!arena.runs_near || !s || s->kind != KIND_RUN || slab_start(s) != p || s->run.tracked) return false;
    bool outermost = arena_enter();
    if (outermost) {
        run_give(s);
        /* Not each time: the clock takes as long as all the rest. */
        if (!tls.heap || ++tls.heap->kept.puts % PUTS_A_LOOK == 0) heap_tick();
    }
    arena_leave(outermost);
    return outermost;
}

/* The slab's first place is drawn. A child of fork finds none in the direct table, and draws its lists anew. */
ALWAYS_INLINE bool is_due(struct heap *h, struct slab *s, size_t n) {
    if (unlikely(sample_epoch != 0)) {
        if (n <= SMALL_MAX && tls.direct[(n + 15) >> 4] != s) heap_publish_class(h, class_of(n));
        if (sample_is_stale(s)) sample_redraw(s);
    }
    return sample_is_due(s);
}

void *near_pop(size_t n) {
    struct heap *h = tls.heap;
    if (unlikely(tls.ignores_left != 0)) return NULL;
    if (n > CLASS_MAX) return pop_run(n);
    if (tls.limit == 0 || tls.self == NO_HEAP) return NULL; /* a gate is shut */
    if (atomic_load_explicit(&h->queue, memory_order_relaxed) || heap_is_asked(h)) return NULL;
    if (unlikely(atomic_load_explicit(&held_signals_wanted, memory_order_relaxed))) return NULL;
    uintptr_t self = tls.self;
    tls.limit = 0;
    tls.self = NO_HEAP;
    tls.within++;
    atomic_signal_fence(memory_order_seq_cst);
    struct slab *s = heap_bin(h, false, class_of(n))->current;
    bool due = sample_on && s && is_due(h, s, n);
    void *p = s && !due ? slab_pop(s) : NULL;
    /* The list that took over the last place is empty now: the other one takes its place before it is asked for. */
    bool refilled = s && s->free == &slab_nil && s->local_free && slab_refill(s);
    if (refilled && !p && !(due = sample_is_due(s))) p = slab_pop(s);
    if (!p && s && !due) p = next_listed(h, class_of(n));
    atomic_signal_fence(memory_order_seq_cst);
    tls.self = self;
    tls.limit = SMALL_MAX + 1;
    tls.within--;
    atomic_signal_fence(memory_order_seq_cst);
    if (held_cancels_behind(0, 0)) return give_up(p);
    if (refilled && slices_due()) tick();
    return p;
}

bool near_push(void *p) {
    struct slab *s = arena_untracked_slab(p);
    if (!s) return push_run(p);
    if (slab_owner(s) != tls.heap) {
        if (unlikely(atomic_load_explicit(&held_signals_wanted, memory_order_relaxed))) return false;
        arena_within(); /* once the list has it, the slab is to be on its owner's queue */
        heap_give_remotely(s, p);
        arena_not_within();
        return true;
    }
    if (tls.self == NO_HEAP || s->local_free == p) return false;
    bool outermost = arena_enter();
    if (outermost) heap_give(s, p);
    arena_leave(outermost);
    return outermost;
}
