/* See quick.h. What is done, and in what order, is what track.c does; each step has its reasons there. */
#include "shim/track/quick.h"
#include "shim/arena/heap.h"
#include "shim/arena/sample.h"
#include "shim/base/options.h"
#include "shim/box/records.h"
#include "shim/box/stacks.h"
#include "shim/box/state.h"
#include "shim/box/totals.h"
#include "shim/track/pattern.h"
#include "shim/track/request.h"
#include "shim/track/unwind.h"

static bool allocates, frees;

void quick_start(void) {
    frees = state_tracking() && !options.harden && !options.zero_on_free && !options.free_stacks;
    allocates = frees && state_checked();
}

/* The class's slab, if it has a place at hand and nobody waits for the heap. */
static struct slab *slab_at_hand(struct heap *h, unsigned class) {
    struct slab *s = heap_bin(h, true, class)->current;
    bool waits = atomic_load_explicit(&h->queue, memory_order_relaxed) || heap_is_asked(h);
    return likely(s && s->free != &slab_nil && !waits) ? s : NULL;
}

ALWAYS_INLINE void *make(struct slab *s, size_t n, enum family family, uint32_t stack, struct draw draw,
                         const void *frame) {
    char *p = slab_pop(s);
    struct side *side = slices_side(s) + slab_place(s, p);
    if (unlikely(track_is_live(p, side, frame))) return NULL;
    if (likely(options.pattern)) {
        bool freed = atomic_load_explicit(&side->state, memory_order_relaxed) == SIDE_FREED;
        if (freed && unlikely(!pattern_is_whole(p, s->size))) track_tell_damage(p, frame);
    }
    ((struct link *)(void *)p)->word = 0;
    if (likely(options.pattern)) pattern_end_of_fresh(p, s->size, n);
    track_fill(side, n, family, stack, draw);
    atomic_store_explicit(&side->state, state_live(s), memory_order_release);
    totals_made(side);
    return p;
}

void *quick_make(size_t n, enum family family, uint32_t stack, struct draw draw, const void *frame) {
    struct slab *s = frees && n <= CLASS_MAX && tls.heap ? slab_at_hand(tls.heap, class_of(n)) : NULL;
    return likely(s != NULL) ? make(s, n, family, stack, draw, frame) : NULL;
}

static void *allocate(struct heap *h, size_t n, enum family family, const void *frame) {
    struct slab *s = slab_at_hand(h, class_of(n));
    if (unlikely(!s)) return NULL;
    uint32_t stack = unwind(frame, h);
    if (unlikely(stack == STACK_UNKNOWN)) return NULL;
    return make(s, n, family, stack, (struct draw){SAMPLE_CERTAIN, 0}, frame);
}

void *quick_allocate(size_t n, enum family family, const void *frame) {
    struct heap *h = tls.heap;
    if (unlikely(!allocates || n > CLASS_MAX || !h)) return NULL;
    bool outermost = arena_enter();
    void *p = likely(outermost) ? allocate(h, n, family, frame) : NULL;
    if (p && held_cancels_behind(1, 0)) {
        track_take_back(p);
        p = NULL;
    }
    track_leave(outermost);
    return p;
}

/* An exact place of the heap's own slabs, and one that has been handed out. */
static struct slab *own_slab(const struct heap *h, const void *p, struct side **side) {
    struct slab *s = slab_of(p);
    if (unlikely(!s)) return NULL;
    s = slab_head(s);
    if (unlikely(s->kind != KIND_SLAB || slab_owner_word(s) != ((uintptr_t)h | OWNER_TRACKED))) return NULL;
    uint32_t place = slab_place(s, p);
    if (unlikely(slab_start(s) + (size_t)place * s->size != p || place >= slab_capacity(s))) return NULL;
    *side = slices_side(s) + place;
    return s;
}

/* Nothing is to be said of it. */
static bool is_in_order(const struct slab *s, const struct side *side, const void *p, const struct release *by) {
    if (unlikely(side->family != (uint32_t)by->family || side->is_link_map || by->moved_to)) return false;
    if (by->sized && unlikely(by->size != side->size)) return false;
    return !options.pattern || likely(pattern_end_is_whole(p, s->size, side->size));
}

bool quick_free(void *p, const struct release *by, const void *frame) {
    struct heap *h = tls.heap;
    struct side *side;
    struct slab *s;
    if (unlikely(!frees || !h || !(s = own_slab(h, p, &side)))) return false;
    bool outermost = arena_enter(), freed = false;
    uint32_t live = SIDE_LIVE | state_epoch();
    if (likely(outermost && is_in_order(s, side, p, by) && !heap_is_asked(h)) &&
        likely(atomic_compare_exchange_strong_explicit(&side->state, &live, SIDE_FREED, memory_order_acq_rel,
                                                       memory_order_relaxed))) {
        totals_freed(side);
        side->latest_stack = unwind_caller(frame);
        if (unlikely(side->thread != tls.thread) && records_on) track_note_elsewhere(side);
        if (likely(options.pattern)) pattern_free_place(p, s->size);
        sample_count();
        heap_give(s, p);
        freed = true;
    }
    track_leave(outermost);
    return freed;
}
