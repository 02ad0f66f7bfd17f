/* What the rooms above ask of the arena; see arena.h. Chooses between slabs, runs and the emergency slab. */
#include "shim/arena/arena.h"
#include "shim/arena/delay.h"
#include "shim/arena/emergency.h"
#include "shim/arena/fast.h"
#include "shim/arena/heap.h"
#include "shim/arena/kept.h"
#include "shim/arena/run.h"
#include "shim/arena/sample.h"
#include "shim/arena/slices.h"
#include "shim/base/lock.h"

#include <stdatomic.h>

void (*arena_watch_thread)(void);

bool arena_start(const struct arena_wishes *w) {
    if (!slices_start(w->track_all || w->sample.bytes > 0, w->guard)) return false;
    arena.tracks_all = w->track_all && slices_has_sides();
    if (!heap_start(slices_has_sides())) return false;
    if (w->sample.bytes > 0 && slices_has_sides()) sample_start(&w->sample);
    if (arena.tracks_all) sample_on = false;
    slabs_start(w->careful || arena.small, w->check);
    arena.runs_near = kept_start() && !w->careful;
    if (w->delay && arena.tracks_all) delay_start();
    emergency_start();
    return true;
}

void arena_track(enum arena_tracking which) {
    sample_none = which != ARENA_TRACKS_SAMPLES;
    sample_on = true; /* marks that are there already are known for what they are */
    sample_change();
    arena.tracks_all = which == ARENA_TRACKS_ALL;
    arena.changes++;
    if (tls.depth == 0 && !arena_gate_is_shut()) arena_take_changes();
}

static void ignore_left(uint32_t blocks) {
    tls.ignores_left = blocks;
    for (size_t i = 0; blocks > 0 && i < ARRAY_LENGTH(tls.direct); i++) tls.direct[i] = &slab_empty;
    if (blocks == 0 && tls.heap) heap_publish(tls.heap);
}

void arena_ignore(bool begins) {
    bool outermost = arena_enter();
    tls.ignores += begins ? 1 : UINT32_MAX;
    /* Inside a handler that has interrupted weir nobody may change the table. */
    if (outermost && slices_has_sides() && begins && tls.ignores == 1) ignore_left(ARENA_IGNORES);
    if (outermost && tls.ignores == 0) ignore_left(0);
    arena_leave(outermost);
}

bool arena_ignores_one(void) {
    if (tls.ignores_left == 0) return false;
    if (tls.ignores_left == 1)
        ignore_left(0);
    else
        tls.ignores_left--;
    return true;
}

void arena_set_rate(uint64_t samples) {
    sample_set_rate(samples);
}

/* The direct table is filled anew by the near path, as a child's is. */
COLD void arena_take_changes(void) {
    tls.changes = arena.changes;
    for (size_t i = 0; i < ARRAY_LENGTH(tls.direct); i++) tls.direct[i] = &slab_empty;
}

bool arena_is_used(void) {
    return heap_count() > 0;
}

size_t arena_plan(bool tracks) {
    return slices_plan(tracks);
}
size_t arena_dear_size(void) {
    return slices_are_dear() ? arena.slices << SLICE_SHIFT : 0;
}

bool arena_can_track(void) {
    return slices_has_sides();
}

/* --- allocating --- */

/* The first class from n on whose size is a multiple of the alignment; CLASSES: there is none. A slab begins at a
 * multiple of 64 KiB, so every place of such a class is aligned. */
static unsigned aligned_class(size_t n, size_t alignment) {
    if (n > CLASS_MAX || alignment > CLASS_MAX) return CLASSES;
    unsigned c = class_of(n > alignment ? n : alignment);
    while (c < CLASSES && (class_size(c) & (alignment - 1))) c++;
    return c;
}

static void *allocate_place(unsigned class, struct side **side, struct heap_draw *draw) {
    struct heap *mine = heap_mine(), *h = mine ? mine : heap_for_a_call();
    if (!h) return NULL;
    void *p = heap_take(h, class, side != NULL, draw);
    if (!mine) heap_park(h);
    if (!p || !side) return p;
    struct slab *s = slab_head(slab_of(p));
    *side = slices_side(s) + slab_place(s, p);
    return p;
}

static struct side *track_run(struct slab *s) {
    s->run.tracked = true;
    return &s->run.side;
}

static void *allocate_run(size_t n, size_t alignment, bool zero, struct side **side) {
    heap_tick();
    void *p = run_take(n, alignment, zero);
    if (p && side) *side = track_run(slab_of(p));
    return p;
}

static void answer(void) {
    if (tls.heap && heap_is_asked(tls.heap)) heap_answer(tls.heap);
}

static unsigned class_for(size_t n, size_t alignment) {
    return alignment <= 16 && n <= CLASS_MAX ? class_of(n) : aligned_class(n, alignment);
}

void *arena_allocate(size_t n, size_t alignment, bool zero, struct side **side) {
    run_give_late_ones();
    answer();
    unsigned c = class_for(n, alignment);
    if (c >= CLASSES) return allocate_run(n > 0 ? n : 1, alignment, zero, side);
    void *p = allocate_place(c, side, NULL);
    if (p && zero) mem_zero(p, n);
    return p;
}

void *arena_allocate_or_draw(size_t n, size_t alignment, bool zero, struct draw *draw, bool *drawn,
                             struct side **side) {
    run_give_late_ones();
    answer();
    unsigned c = class_for(n, alignment);
    struct heap_draw heap_draw = {.drawn = false};
    void *p;
    if (c >= CLASSES) {
        p = allocate_run(n > 0 ? n : 1, alignment, zero, NULL);
        *drawn = p && sample_take_run(n, draw);
        if (*drawn) *side = track_run(slab_of(p));
        return p;
    }
    p = allocate_place(c, NULL, &heap_draw);
    *drawn = heap_draw.drawn;
    *draw = heap_draw.draw;
    if (p && zero) mem_zero(p, n);
    return p;
}

struct side *arena_draw_grown(const struct place *place, size_t n, struct draw *draw) {
    bool all = arena.tracks_all; /* it may change just now */
    if (all) *draw = (struct draw){SAMPLE_CERTAIN, 0};
    return all || (sample_on && sample_take_run(n, draw)) ? track_run(slab_of(place->start)) : NULL;
}

void *arena_allocate_nothing(size_t alignment, struct side **side) {
    struct slab *s = run_take_nothing(alignment);
    if (!s) return NULL;
    s->run.tracked = true;
    *side = &s->run.side;
    return slab_start(s);
}

static bool end_delays(void) {
    bool any = false;
    struct slab *s;
    for (char *p; (p = delay_end_place()); any = true) {
        struct place place = arena_find(p);
        heap_give(place.slab, p);
    }
    for (; (s = delay_end_run()); any = true) slices_give(s, s->run.slices);
    return any;
}

bool arena_reclaim(void) {
    bool given = end_delays();
    if (tls.heap) {
        heap_wake_all(tls.heap);
        heap_collect(tls.heap);
    }
    heap_collect_parked();
    given |= kept_seize(true);
    given |= heap_claim_waiting();
    given |= slices_purge(true) > 0;
    return slices_wait_for_purges() || given;
}

void arena_thread_ended(bool last) {
    struct heap *h = tls.heap;
    bool outermost = arena_enter();
    tls.dying = last;
    tls.watched = false;
    if (h && outermost) {
        if (tls.cut) heap_wake_missed(h);
        tls.cut = false;
        tls.heap = NULL;
        heap_park(h);
    }
    arena_leave(outermost);
}

void arena_forked(void) {
    heap_forked();
    sample_forked();
}

/* --- finding --- */

static void find_slot(struct place *place, const void *p) {
    struct slab *s = place->slab;
    place->kind = PLACE_SLOT;
    place->size = s->size;
    place->index = slab_place(s, p);
    place->start = slab_start(s) + (size_t)place->index * s->size;
    place->exact = place->start == p;
    place->exists = place->index < slab_capacity(s);
    place->tracked = (slab_owner_word(s) & OWNER_TRACKED) != 0;
    if (place->tracked) place->side = slices_side(s) + place->index;
}

struct place arena_find(const void *p) {
    struct place place = {.kind = PLACE_FOREIGN};
    struct slab *s = slab_of(p);
    if (!s) return place;
    s = slab_head(s);
    place.slab = s;
    place.kind = PLACE_NOTHING;
    if (s->kind == KIND_SLAB) {
        find_slot(&place, p);
    } else if (s->kind == KIND_RUN) {
        place.kind = PLACE_RUN;
        place.start = slab_start(s);
        place.size = s->run.bytes;
        place.exact = place.start == p;
        place.exists = true;
        place.tracked = s->run.tracked;
        place.side = place.tracked ? &s->run.side : NULL;
    } else if ((s->kind == KIND_NONE || s->kind == KIND_KEPT) && s->run.tracked &&
               atomic_load_explicit(&s->run.side.state, memory_order_acquire) == SIDE_FREED) {
        /* A run that is gone: what is remembered of its block holds until its first slice is used again. */
        place.start = slab_start(s);
        place.size = s->run.bytes;
        place.exact = place.start == p;
        place.tracked = true;
        place.side = &s->run.side;
    } else if (s->kind == KIND_EMERGENCY) {
        place.kind = PLACE_EMERGENCY;
        place.exists = emergency_find(p, &place.start, &place.size);
        place.exact = place.start == p;
    }
    return place;
}

/* --- giving --- */

void arena_be_careful(const struct place *place) {
    atomic_fetch_or_explicit(&place->slab->owner, OWNER_CAREFUL, memory_order_relaxed);
}

void arena_forget_list(const struct place *place) {
    if (place->kind == PLACE_SLOT && slab_owner(place->slab) == tls.heap) place->slab->free = &slab_nil;
}

char *arena_delay(const struct place *place) {
    return place->kind == PLACE_SLOT ? delay_place(place->start, place->size) : place->start;
}

void arena_each_delayed(void (*look)(const void *p)) {
    delay_each_place(look);
}

void arena_release(const struct place *place) {
    switch (place->kind) {
    case PLACE_SLOT:
        heap_give(place->slab, place->start);
        break;
    case PLACE_RUN:
        run_give(place->slab);
        heap_tick();
        break;
    case PLACE_EMERGENCY:
        emergency_give(place->start);
        break;
    default:
        break;
    }
    answer();
}

void arena_counted_down(struct slab *s) {
    bool outermost = arena_enter();
    /* Inside a signal handler during a slow path it stays where it is: it has places, and will be used. */
    if (outermost) {
        heap_counted_down(s);
        answer();
    }
    arena_leave(outermost);
}

void *arena_resize(const struct place *place, size_t n) {
    heap_tick();
    if (place->kind == PLACE_RUN) return n > CLASS_MAX && place->size > 0 ? run_resize(place->slab, n) : NULL;
    return arena_stays(place->size, n) ? place->start : NULL;
}

/* --- a signal handler inside a slow path --- */

void *arena_nested_allocate(size_t n, size_t alignment, bool zero) {
    void *p = emergency_take(n > 0 ? n : 1, alignment);
    if (p) {
        if (zero) mem_zero(p, n);
        return p;
    }
    return run_take_in_emergency(n > 0 ? n : 1, alignment);
}

void arena_nested_release(const struct place *place) {
    if (place->kind == PLACE_SLOT)
        heap_give_remotely(place->slab, place->start);
    else if (place->kind == PLACE_EMERGENCY)
        emergency_give(place->start);
    else if (place->kind == PLACE_RUN && !emergency_give_span(place->slab, place->slab->run.slices))
        run_give_later(place->slab);
}

/* It stays as it is for ever: what is freed of it waits on it, and goes back by whole slabs. What its thread keeps is
 * in order at every point. */
static void give_up_heap(void) {
    kept_give_up(tls.heap);
    tls.heap = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(tls.direct); i++) tls.direct[i] = &slab_empty;
    held_count_given_up();
}

void arena_left_by_jump(void) {
    lock_give_held();
    while (tls.purges > 0) slices_purge_ends();
    tls.depth = 1;
    tls.within = 0;
    tls.watched = false; /* that may have been interrupted, too */
    tls.self = NO_HEAP;
    tls.limit = 0;
    if (!tls.heap) return;
    if (atomic_load_explicit(&tls.heap->busy, memory_order_relaxed)) {
        give_up_heap();
    } else {
        /* What a fast path was changing can be used at every point. */
        atomic_store_explicit(&tls.heap->busy, 1, memory_order_relaxed);
        heap_wake_missed(tls.heap);
    }
}
