/* realloc's slow path; see track.h. */
#include "shim/arena/heap.h"
#include "shim/base/clock.h"
#include "shim/base/options.h"
#include "shim/box/live_blocks.h"
#include "shim/box/pools.h"
#include "shim/box/records.h"
#include "shim/box/stacks.h"
#include "shim/box/state.h"
#include "shim/box/totals.h"
#include "shim/track/family.h"
#include "shim/track/foreign.h"
#include "shim/track/pattern.h"
#include "shim/track/request.h"
#include "shim/track/touch.h"

#include <errno.h>
#include <stdatomic.h>

/* What it is drawn by from here on. Where realloc would have moved the block, had nobody tracked it, or has let its run
 * grow, all of its like have been drawn again, see arena/sample.h. */
static struct draw draw_after(struct draw draw, const struct place *place, size_t n) {
    if (draw.class == SAMPLE_CERTAIN || sample_would_stay(draw, place, n)) return draw;
    return (struct draw){SAMPLE_CERTAIN, 0};
}

static void resized(const struct place *place, void *p, size_t n, const void *frame) {
    struct place now = arena_find(p); /* a run's entry may have moved along */
    const struct draw old = side_draw(now.side), draw = draw_after(old, place, n);
    uint64_t old_size = now.side->size;
    if (n > now.side->size && !sample_is_spent()) {
        side_set_grown(now.side, track_take_stack(frame), clock_coarse());
        sample_count();
    }
    pattern_end(&now, n);
    now.side->size = n & 0xffffffffffff;
    now.side->family = FAMILY_MALLOC;
    side_set_draw(now.side, draw);
    if (unlikely(p != place->start) && (atomic_load_explicit(&now.side->state, memory_order_relaxed) & SIDE_RECORDED))
        records_move(place->start, &now);
    if (unlikely(p != place->start) && (atomic_load_explicit(&now.side->state, memory_order_relaxed) & SIDE_POOLED)) {
        pools_drop(place, true);
        pools_drop(&now, true);
    }
    (void)heap_mine(); /* it has rows of its own */
    if (!state_is_inherited(now.side))
        totals_changed(now.side, place->side, old_size, old);
    else
        totals_inherited_changed(now.side, old_size, old);
}

/* A run that nobody tracks has grown where it is, which is as good as a larger one that is made. */
static void draw_grown(void *p, const struct request *r) {
    struct place place = arena_find(p);
    struct draw draw;
    place.side = arena_draw_grown(&place, r->n, &draw);
    place.tracked = place.side != NULL;
    if (place.tracked) track_begin(&place, r, draw);
}

static void *resize(const struct place *place, const struct request *r) {
    size_t n = r->n;
    if (!arena_enter()) {
        arena_leave(false);
        return NULL;
    }
    tls.refused = 0;
    /* A run that shrinks where it is gives its end away at once. */
    if (options.zero_on_free && place->kind == PLACE_RUN && n < place->size && n > CLASS_MAX)
        mem_zero(place->start + n, place->size - n);
    bool before = ceiling_serves(n), noted = live_blocks_on && place->tracked && !state_is_inherited(place->side);
    if (unlikely(noted)) live_block_gone(place->side); /* where it moves, its entry is another's at once */
    void *p = arena_resize(place, n + track_end_room(n));
    if (unlikely(noted) && !p) live_block_made(place->side);
    ceiling_served(before);
    if (p && place->tracked)
        resized(place, p, n, r->frame);
    else if (p && place->kind == PLACE_RUN && n > place->size)
        draw_grown(p, r);
    arena_leave(true);
    return p;
}

static void *reallocate_foreign(void *p, size_t n, const void *caller, const void *frame) {
    size_t old = foreign_usable_size(p);
    void *new = track_allocate(n, 16, false, CEILING_REALLOC, caller, frame);
    if (!new) return NULL;
    mem_copy(new, p, min_size(old, n));
    foreign_free(p);
    return new;
}

/* The tracked block is live. What else may be wrong with it is reported. */
static bool check_tracked(void *p, const struct place *place, const void *caller, const void *frame) {
    static const struct release by = {.entry = "realloc", .family = FAMILY_MALLOC, .resized = true};
    if (!SIDE_IS_LIVE(atomic_load_explicit(&place->side->state, memory_order_acquire))) {
        track_misuse(MISUSE_DOUBLE_FREE, "realloc", p, place, caller);
        return false;
    }
    if (unlikely(place->side->family != FAMILY_MALLOC)) {
        bool outermost = arena_enter();
        family_check(place, &by, caller, outermost ? frame : NULL);
        track_leave(outermost);
    }
    track_check_end("realloc", place, caller);
    pattern_end(place, place->side->size); /* said once */
    return true;
}

static void *reallocate(void *p, size_t n, const void *caller, const void *frame, bool *cancelled) {
    if (!p) return track_allocate(n, 16, false, CEILING_REALLOC, caller, frame);
    if (n == 0) {
        static const struct release by = {.entry = "realloc", .family = FAMILY_MALLOC};
        track_free(p, &by, frame);
        return NULL;
    }
    struct place place = arena_find(p);
    if (!track_check("realloc", p, &place, caller)) {
        if (place.kind == PLACE_FOREIGN && foreign_is_libcs(p)) return reallocate_foreign(p, n, caller, frame);
        errno = ENOMEM; /* of unknown size: nothing could be copied */
        return NULL;
    }
    if ((place.tracked && !check_tracked(p, &place, caller, frame)) || n > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    struct request r = {.n = n,
                        .alignment = 16,
                        .family = FAMILY_MALLOC,
                        .operation = CEILING_REALLOC,
                        .origin = place.tracked ? place.side : NULL,
                        .caller = caller,
                        .frame = frame};
    if (place.tracked) r.draw = draw_after(side_draw(place.side), &place, n);
    void *new = resize(&place, &r);
    if (new) return new;
    new = track_allocate_or_refuse(&r);
    if (!new) return NULL;
    mem_copy(new, p, min_size(place.tracked ? place.side->size : place.size, n));
    *cancelled = held_cancels_behind(0, 1);
    /* All there was to say of the old one has been said; it has moved, or nobody tracks it any more. */
    bool moved = !*cancelled && place.tracked && arena_find(new).tracked;
    const struct release by_realloc = {.entry = "realloc", .moved_to = moved ? new : NULL};
    track_free(*cancelled ? new : p, &by_realloc, frame);
    return new;
}

/* The size of a tracked block, 0: it is none. */
static size_t tracked_size(const void *p) {
    struct place place = arena_find(p);
    return place.tracked && place.exists ? place.side->size : 0;
}

/* Where it grew, the stack of this call is at hand. (That of a sample may not have been taken.) */
static void note_access(const void *p, size_t n, size_t old, const void *frame) {
    if (!p || old == 0) return;
    struct place place = arena_find(p);
    bool grew = n > old && place.tracked && place.side->size == n && !state_of_process.sampled;
    touch_resized(p, grew ? place.side : NULL, frame);
}

/* A cancellation that comes before the old block is gone finds it as it was. */
void *track_reallocate(void *p, size_t n, const void *caller, const void *frame) {
    for (;;) {
        bool cancelled = false;
        size_t old = unlikely(records_on) ? tracked_size(p) : 0;
        arena_within();
        void *new = reallocate(p, n, caller, frame, &cancelled);
        if (unlikely(records_on) && !cancelled) note_access(new, n, old, frame);
        arena_not_within();
        if (!cancelled) return new; /* else the thread goes on after all */
    }
}
