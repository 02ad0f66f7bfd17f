/* The slow path of the entries; see track.h. */
#include "shim/track/track.h"
#include "shim/arena/heap.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/options.h"
#include "shim/base/sys.h"
#include "shim/ceiling/ceiling.h"
#include "shim/track/foreign.h"
#include "shim/box/modules.h"
#include "shim/track/report.h"
#include "shim/box/stacks.h"
#include "shim/box/state.h"
#include "shim/track/unwind.h"

#include <errno.h>
#include <stdatomic.h>

static void on_misuse(enum slab_misuse what, const void *block) {
    struct place place = arena_find(block);
    state_count_bad_free();
    if (what == SLAB_OVERWRITTEN)
        report_misuse(MISUSE_CORRUPTED, "malloc", block, &place, NULL);
    else
        report_misuse(what == SLAB_INTERIOR ? MISUSE_INTERIOR : MISUSE_DOUBLE_FREE, "free", block, &place, NULL);
}

bool track_start(void) {
    slab_misused = on_misuse;
    ceiling_describe_code = module_describe;
    ceiling_frame_of_code = module_frame;
    bool tables = modules_start();
    if (options.level == LEVEL_DISABLED || !tables) return tables;
    state_set_tracking(unwind_start() && stacks_start());
    return state_tracking();
}

/* Both allocating and freeing (for its backtrace) may give the thread a heap. */
static void leave(bool outermost) {
    arena_leave(outermost);
    if (unlikely(!tls.watched && tls.heap && arena_watch_thread)) {
        tls.watched = true; /* first: it may allocate */
        arena_watch_thread();
    }
}

/* --- allocating --- */

static uint32_t my_thread(void) {
    uint32_t owner = atomic_load_explicit(&lock_page.owner, memory_order_relaxed);
    if (unlikely(tls.thread == 0 || tls.thread_owner != owner)) {
        long id = sys0(SYS_gettid);
        tls.thread = sys_failed(id) ? 0 : (uint32_t)id & 0xffffff;
        tls.thread_owner = owner;
    }
    return tls.thread;
}

static uint32_t take_stack(const void *frame) {
    const struct heap *h = heap_mine();
    return h ? unwind(frame, h->index) : STACK_UNKNOWN;
}

static void fill(struct side *side, size_t n, uint32_t stack) {
    side->stack = stack;
    side->thread = my_thread() & 0xffffff;
    side->is_link_map = false;
    side->freed_stack = 0;
    side->size = n;
    side->time = clock_coarse(); /* some milliseconds behind, at a quarter of the price */
    atomic_store_explicit(&side->state, state_live(), memory_order_release);
}

static void *allocate(size_t n, size_t alignment, bool zero, const struct side *origin, const void *frame) {
    if (!state_tracking()) return arena_allocate(n, alignment, zero, NULL);
    uint32_t stack = origin ? origin->stack : take_stack(frame);
    struct side *side;
    void *p = arena_allocate(n, alignment, zero, &side);
    if (!p) return NULL;
    fill(side, n, stack);
    if (origin) {
        side->thread = origin->thread;
        side->time = origin->time;
        atomic_store_explicit(&side->state,
                              atomic_load_explicit(&((struct side *)(uintptr_t)origin)->state, memory_order_relaxed),
                              memory_order_relaxed);
    }
    return p;
}

/* The ceiling refused. ld.so has a little set aside, untracked: it does not survive a refusal. */
static void *allocate_from_reserve(size_t n, size_t alignment, bool zero, const void *caller) {
    if (!tls.refused || !module_is_loader(caller)) return NULL;
    ceiling_open_reserve(true);
    void *p = arena_allocate(n, alignment, zero, NULL);
    ceiling_open_reserve(false);
    return p;
}

static void *allocate_or_refuse(size_t n, size_t alignment, bool zero, const struct side *origin,
                                enum ceiling_operation operation, const void *caller, const void *frame) {
    if (unlikely(n > PTRDIFF_MAX || alignment > PTRDIFF_MAX)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p;
    bool outermost = arena_enter();
    if (likely(outermost)) {
        tls.refused = 0;
        p = allocate(n, alignment, zero, origin, frame);
        if (unlikely(!p) && arena_reclaim()) {
            tls.refused = 0;
            p = allocate(n, alignment, zero, origin, frame);
        }
        if (unlikely(!p)) p = allocate_from_reserve(n, alignment, zero, caller);
        if (unlikely(!p)) ceiling_refuse(operation, n, caller);
    } else {
        p = arena_nested_allocate(n, alignment, zero);
    }
    leave(outermost);
    if (unlikely(!p)) errno = ENOMEM;
    return p;
}

void *track_allocate(size_t n, size_t alignment, bool zero, enum ceiling_operation operation, const void *caller,
                     const void *frame) {
    return allocate_or_refuse(n, alignment, zero, NULL, operation, caller, frame);
}

/* --- giving back --- */

static void misuse(enum misuse what, const char *entry, const void *p, const struct place *place, const void *caller) {
    state_count_bad_free();
    report_misuse(what, entry, p, place, caller);
}

/* True when p is the start of a place that may hold a live block; else it was reported, or was another allocator's. */
static bool check(const char *entry, const void *p, const struct place *place, const void *caller) {
    switch (place->kind) {
    case PLACE_FOREIGN:
        if (foreign_is_libcs(p)) return false;
        misuse(report_kind_of_foreign(p), entry, p, place, caller);
        return false;
    case PLACE_NOTHING:
        misuse(MISUSE_NEVER_MADE, entry, p, place, caller);
        return false;
    default:
        break;
    }
    if (!place->exact) {
        misuse(place->exists ? MISUSE_INTERIOR : MISUSE_NEVER_MADE, entry, p, place, caller);
        return false;
    }
    if (!place->exists) {
        misuse(place->kind == PLACE_EMERGENCY ? MISUSE_DOUBLE_FREE : MISUSE_NEVER_MADE, entry, p, place, caller);
        return false;
    }
    return true;
}

/* Marks a tracked block as freed; false: it was not live. One exchange, so that of two frees one loses. */
static bool mark_freed(struct side *side, const void *frame, bool nested) {
    uint32_t state = atomic_load_explicit(&side->state, memory_order_acquire);
    if (!SIDE_IS_LIVE(state)) return false;
    if (!atomic_compare_exchange_strong_explicit(&side->state, &state, SIDE_FREED, memory_order_acq_rel,
                                                 memory_order_relaxed)) {
        return false;
    }
    if (unlikely(side->is_link_map)) modules_unloaded();
    side->freed_stack = nested ? STACK_UNKNOWN : take_stack(frame);
    return true;
}

/* A block that was just freed and is freed again is the head of a list; further down, nobody looks on the way. */
static bool is_freed_already(const struct place *place) {
    return place->kind == PLACE_SLOT && slab_owner(place->slab) == tls.heap &&
           (void *)place->slab->local_free == place->start;
}

void track_free(void *p, const char *entry, const void *frame) {
    if (!p) return;
    struct place place = arena_find(p);
    const void *caller = ((void *const *)frame)[1];
    if (unlikely(!check(entry, p, &place, caller))) {
        if (place.kind == PLACE_FOREIGN && foreign_is_libcs(p)) {
            state_count_foreign_free();
            foreign_free(p);
        }
        return;
    }
    bool outermost = arena_enter();
    if (place.tracked ? !mark_freed(place.side, frame, !outermost) : is_freed_already(&place)) {
        misuse(MISUSE_DOUBLE_FREE, entry, p, &place, caller);
    } else {
        if (options.zero_on_free) mem_zero(place.start, place.size);
        if (likely(outermost))
            arena_release(&place);
        else
            arena_nested_release(&place);
    }
    leave(outermost);
}

size_t track_usable_size(const void *p, const void *caller) {
    if (!p) return 0;
    struct place place = arena_find(p);
    if (place.kind == PLACE_FOREIGN && foreign_is_libcs(p)) return foreign_usable_size(p);
    return check("malloc_usable_size", p, &place, caller) ? place.size : 0;
}

/* --- realloc --- */

static void *resize(const struct place *place, size_t n) {
    if (!arena_enter()) {
        arena_leave(false);
        return NULL;
    }
    tls.refused = 0;
    /* A run that shrinks where it is gives its end away at once. */
    if (options.zero_on_free && place->kind == PLACE_RUN && n < place->size && n > CLASS_MAX)
        mem_zero(place->start + n, place->size - n);
    void *p = arena_resize(place, n);
    if (p && place->tracked) {
        struct place now = p == place->start ? *place : arena_find(p);
        now.side->size = n;
    }
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

void *track_reallocate(void *p, size_t n, const void *caller, const void *frame) {
    if (!p) return track_allocate(n, 16, false, CEILING_REALLOC, caller, frame);
    if (n == 0) {
        track_free(p, "realloc", frame);
        return NULL;
    }
    struct place place = arena_find(p);
    if (!check("realloc", p, &place, caller)) {
        if (place.kind == PLACE_FOREIGN && foreign_is_libcs(p)) return reallocate_foreign(p, n, caller, frame);
        errno = ENOMEM; /* of unknown size: nothing could be copied */
        return NULL;
    }
    if (place.tracked && !SIDE_IS_LIVE(atomic_load_explicit(&place.side->state, memory_order_acquire))) {
        misuse(MISUSE_DOUBLE_FREE, "realloc", p, &place, caller);
        errno = ENOMEM;
        return NULL;
    }
    if (n > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    void *new = resize(&place, n);
    if (new) return new;
    /* A block that moves stays the block that it was: made where and when it was made. */
    new = allocate_or_refuse(n, 16, false, place.tracked ? place.side : NULL, CEILING_REALLOC, caller, frame);
    if (!new) return NULL;
    mem_copy(new, p, min_size(place.size, n));
    track_free(p, "realloc", frame);
    return new;
}
