/* The slow path of the entries; see track.h. */
#include "shim/track/track.h"
#include "shim/arena/heap.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/options.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/ceiling/ceiling.h"
#include "shim/ceiling/owners.h"
#include "shim/ceiling/reclaim.h"
#include "shim/track/family.h"
#include "shim/track/foreign.h"
#include "shim/box/live.h"
#include "shim/box/live_blocks.h"
#include "shim/box/modules.h"
#include "shim/box/pools.h"
#include "shim/box/records.h"
#include "shim/track/pattern.h"
#include "shim/track/quick.h"
#include "shim/track/jump.h"
#include "shim/track/report.h"
#include "shim/box/stacks.h"
#include "shim/box/state.h"
#include "shim/box/totals.h"
#include "shim/track/request.h"
#include "shim/track/unwind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>

static void on_misuse(enum slab_misuse what, const void *block) {
    struct place place = arena_find(block);
    state_count_bad_free();
    if (what == SLAB_OVERWRITTEN)
        report_misuse(MISUSE_CORRUPTED, "malloc", block, &place, NULL);
    else
        report_misuse(what == SLAB_INTERIOR ? MISUSE_INTERIOR : MISUSE_DOUBLE_FREE, "free", block, &place, NULL);
    if (place.tracked && what == SLAB_OVERWRITTEN) /* said once */
        atomic_store_explicit(&place.side->state, SIDE_NEVER, memory_order_relaxed);
}

/* Pools' parts where every block is tracked. Records at advanced and paranoid; and what hardens tracks every block as
 * paranoid does. */
static void set_records(void) {
    (void)pools_set(state_tracking() && state_checked());
    if (records_set(options.level >= LEVEL_ADVANCED || (options.harden && state_tracking()))) return;
    struct text t = {0};
    text_add(&t, "weir: no address space for access records; none are kept");
    message_send(&t);
}

static bool start_tables(void) {
    slab_misused = on_misuse;
    ceiling_describe_code = module_describe;
    ceiling_frame_of_code = module_frame;
    bool tables = modules_start(), traced = options.level != LEVEL_DISABLED;
    bool boxed = live_start();
    if ((!traced && !options.harden) || !tables) return tables;
    size_t plan = arena_plan(true);
    tables = stacks_start(plan) && (!traced || (unwind_start() && boxed && totals_start()));
    if (tables && traced && options.box == BOX_BLOCKS) live_blocks_start(plan);
    /* What hardens has entries of all blocks. */
    bool sampled = traced && options.level != LEVEL_PARANOID && !options.harden;
    state_of_process.tracking = traced && tables;
    state_of_process.checked = !sampled && tables;
    state_of_process.sampled = sampled && tables;
    quick_start();
    if (state_tracking()) {
        set_records();
        owners_stack = track_stack_of_mapping;
        ceiling_stack = track_take_stack;
    }
    return tables;
}

bool track_start(void) {
    bool tables = start_tables();
    live_begin();
    return tables;
}

/* Each step alone leaves blocks either way, and both are known for what they are. */
bool track_set_level(unsigned level) {
    bool all = level == LEVEL_PARANOID;
    if (!state_tracking() || options.harden) return false;
    options.level = (enum option_level)level;
    state_of_process.sampled |= !all;
    state_of_process.checked = all;
    quick_start();
    set_records();
    arena_track(all ? ARENA_TRACKS_ALL : level == LEVEL_DISABLED ? ARENA_TRACKS_NONE : ARENA_TRACKS_SAMPLES);
    return true;
}

COLD void track_leave_and_watch(bool outermost) {
    arena_within();
    arena_leave(outermost);
    tls.watched = true; /* first: it may allocate */
    arena_watch_thread();
    arena_not_within();
}

/* A signal handler's request finds that what it interrupted has been left by a jump: it is the outermost from here. */
static bool is_left(const void *frame) {
    if (!jump_left_weir(frame)) return false;
    jump_give_up();
    return true;
}

/* --- allocating --- */

static void fill(const struct place *place, const struct request *r, uint32_t stack, struct draw draw) {
    struct side *side = place->side;
    uint32_t state = state_live(place->slab);
    track_fill(side, r->n, r->family, stack, draw);
    if (r->origin) {
        side->stack = r->origin->stack;
        side->thread = r->origin->thread;
        side->time = r->origin->time;
        side_set_grown(side, r->origin->latest_stack, side_grown(r->origin));
        if (r->n > r->origin->size) side_set_grown(side, stack, clock_coarse());
        state = atomic_load_explicit(&((struct side *)(uintptr_t)r->origin)->state, memory_order_relaxed);
        state &= ~(SIDE_RECORDED | SIDE_POOLED); /* its records come when the old block goes; parts do not */
    }
    atomic_store_explicit(&side->state, state, memory_order_release);
    if (!r->origin)
        totals_made(side);
    else if (!state_is_inherited(side))
        totals_changed(side, r->origin, r->origin->size, side_draw(r->origin));
    else
        totals_inherited_changed(side, r->origin->size, side_draw(r->origin));
}

/* A place that a block was in before, and that nobody should have touched since. */
static void check_free_place(const char *entry, const struct place *place, size_t from, const void *caller) {
    if (atomic_load_explicit(&place->side->state, memory_order_relaxed) != SIDE_FREED) return;
    size_t at = pattern_free_damage(place, from);
    if (likely(at == PATTERN_INTACT)) return;
    state_count_bad_free();
    report_damage(MISUSE_AFTER_FREE, entry, place, at, caller);
}

COLD void track_tell_live(void *p, const void *frame) {
    struct place place = arena_find(p);
    state_count_bad_free();
    arena_forget_list(&place);
    place.tracked = false; /* whose block that is, is not the point */
    report_misuse(MISUSE_CORRUPTED, "malloc", p, &place, ((void *const *)frame)[1]);
}

COLD void track_tell_damage(void *p, const void *frame) {
    struct place place = arena_find(p);
    check_free_place("malloc", &place, sizeof(struct link), ((void *const *)frame)[1]);
}

size_t track_end_room(size_t n) {
    return options.harden && n < CLASS_MAX;
}

static void *allocate_tracked(const struct request *r, struct draw draw) {
    uint32_t stack = track_take_stack(r->frame);
    struct side *side;
    void *quick = r->alignment <= 16 && !r->origin ? quick_make(r->n, r->family, stack, draw, r->frame) : NULL;
    if (likely(quick != NULL)) {
        if (r->zero) mem_zero(quick, r->n);
        return quick;
    }
    bool by_class = r->n <= CLASS_MAX; /* is zeroed here, where the pattern was looked at */
    char *p = options.harden && r->n == 0 ? arena_allocate_nothing(r->alignment, &side) : NULL;
    do {
        if (!p) p = arena_allocate(r->n + track_end_room(r->n), r->alignment, r->zero && !by_class, &side);
        if (!p) return NULL;
    } while (unlikely(track_is_live(p, side, r->frame)) && !(p = NULL));
    struct place place = arena_find(p);
    check_free_place("malloc", &place, sizeof(struct link), r->caller);
    if (r->zero && by_class) mem_zero(p, r->n);
    /* What led on in a list of free places would lead a scan from this block to another one. */
    if (place.kind == PLACE_SLOT) ((struct link *)(void *)p)->word = 0; /* encoded ones lead nowhere anyway */
    pattern_end(&place, r->n);                                          /* first: the thread may end between the two */
    fill(&place, r, stack, draw);
    return p;
}

void track_begin(const struct place *place, const struct request *r, struct draw draw) {
    uint32_t stack = track_take_stack(r->frame);
    pattern_end(place, r->n);
    fill(place, r, stack, draw);
    sample_count_taken();
}

/* A sample that finds no memory among tracked blocks is none: the program gets its block. */
static void *allocate_sample(const struct request *r, struct draw draw) {
    void *p = allocate_tracked(r, draw);
    if (likely(p != NULL)) {
        if (r->origin)
            sample_count();
        else
            sample_count_taken();
        return p;
    }
    p = arena_allocate(r->n, r->alignment, r->zero, NULL);
    if (p) sample_count_lost();
    return p;
}

static void *allocate_or_sample(const struct request *r) {
    struct draw draw;
    struct side *side;
    bool drawn;
    void *p = arena_allocate_or_draw(r->n, r->alignment, r->zero, &draw, &drawn, &side);
    if (likely(!drawn)) return p;
    if (!p) return allocate_sample(r, draw);
    struct place place = arena_find(p);
    track_begin(&place, r, draw);
    return p;
}

static void *allocate(const struct request *r) {
    if (state_checked() || (unlikely(tls.ignores_left != 0) && state_tracking() && !r->origin && arena_ignores_one()))
        return allocate_tracked(r, (struct draw){SAMPLE_CERTAIN, 0});
    if (!state_sampling()) return arena_allocate(r->n, r->alignment, r->zero, NULL);
    return r->origin ? allocate_sample(r, r->draw) : allocate_or_sample(r);
}

/* The ceiling refused. ld.so has a little set aside, untracked: it does not survive a refusal. */
static void *allocate_from_reserve(const struct request *r) {
    if (!tls.refused || !module_is_loader(r->caller)) return NULL;
    ceiling_open_reserve(true);
    void *p = arena_allocate(r->n, r->alignment, r->zero, NULL);
    ceiling_open_reserve(false);
    return p;
}

struct attempt {
    const struct request *request;
    void *block;
};

static bool try_to_allocate(void *argument) {
    struct attempt *a = argument;
    a->block = allocate(a->request);
    return a->block != NULL;
}

/* At the ceiling. */
static COLD void *allocate_again(const struct request *r) {
    struct attempt attempt = {r, NULL};
    (void)reclaim_and_retry(try_to_allocate, &attempt);
    return attempt.block;
}

static void *allocate_outermost(const struct request *r) {
    bool before = ceiling_serves(r->n);
    tls.refused = 0;
    void *p = allocate(r);
    if (unlikely(!p)) p = allocate_again(r);
    if (unlikely(!p)) p = allocate_from_reserve(r);
    if (unlikely(!p)) ceiling_refuse(r->operation, r->n, r->frame);
    ceiling_served(before);
    return p;
}

/* So many allocations in signal handlers that interrupted weir before it is asked whether they still do. */
#define NESTED_A_LOOK 16

/* A signal handler interrupted weir; or one did, and left by a jump. */
static COLD void *allocate_nested(const struct request *r, bool *outermost) {
    uint32_t interrupted_refused = tls.refused;
    tls.refused = 0;
    bool look = ++tls.nested % NESTED_A_LOOK == 0;
    void *p = look ? NULL : arena_nested_allocate(r->n, r->alignment, r->zero);
    if (unlikely(!p) && is_left(r->frame)) {
        *outermost = true;
        return allocate_outermost(r);
    }
    if (look) p = arena_nested_allocate(r->n, r->alignment, r->zero);
    if (unlikely(!p)) ceiling_refuse_in_handler(r->operation, r->n, r->frame);
    tls.refused = interrupted_refused;
    return p;
}

/* Nobody has seen the block, nor will. */
COLD void track_take_back(void *p) {
    struct place place = arena_find(p);
    if (place.tracked) {
        totals_freed(place.side);
        atomic_store_explicit(&place.side->state, SIDE_NEVER, memory_order_relaxed);
    }
    arena_release(&place);
}

void *track_allocate_or_refuse(const struct request *r) {
    if (unlikely(r->n > PTRDIFF_MAX || r->alignment > PTRDIFF_MAX)) {
        errno = ENOMEM;
        return NULL;
    }
    for (;;) {
        bool outermost = arena_enter();
        void *p = likely(outermost) ? allocate_outermost(r) : allocate_nested(r, &outermost);
        bool cancelled = held_cancels_behind(1, 0);
        if (cancelled && p) track_take_back(p);
        track_leave(outermost);
        if (cancelled) continue; /* the thread goes on after all */
        if (unlikely(!p)) errno = ENOMEM;
        return p;
    }
}

void *track_allocate_slowly(size_t n, size_t alignment, bool zero, enum ceiling_operation operation, const void *caller,
                            const void *frame) {
    struct request r = {n, alignment, zero, FAMILY_MALLOC, operation, NULL, {SAMPLE_CERTAIN, 0}, caller, frame};
    return track_allocate_or_refuse(&r);
}

void *track_new_slowly(size_t n, size_t alignment, enum family family, enum ceiling_operation operation,
                       const void *caller, const void *frame) {
    struct request r = {n, alignment, false, family, operation, NULL, {SAMPLE_CERTAIN, 0}, caller, frame};
    return track_allocate_or_refuse(&r);
}

/* --- giving back --- */

void track_misuse(enum misuse what, const char *entry, const void *p, const struct place *place, const void *caller) {
    state_count_bad_free();
    report_misuse(what, entry, p, place, caller);
}

bool track_check(const char *entry, const void *p, const struct place *place, const void *caller) {
    enum misuse what = MISUSE_NEVER_MADE;
    switch (place->kind) {
    case PLACE_FOREIGN:
        if (foreign_is_libcs(p)) return false;
        what = report_kind_of_foreign(p);
        break;
    case PLACE_NOTHING:
        if (place->tracked && place->exact) what = MISUSE_DOUBLE_FREE; /* a run's descriptor remembers it for a while */
        break;
    default:
        if (place->exact && place->exists) return true;
        if (place->exact && place->kind == PLACE_EMERGENCY) what = MISUSE_DOUBLE_FREE;
        if (!place->exact && place->exists) what = MISUSE_INTERIOR;
    }
    track_misuse(what, entry, p, place, caller);
    return false;
}

/* A free is to cost little: its caller alone is noted. */
static uint32_t stack_of_free(const void *frame) {
    return options.free_stacks ? track_take_stack(frame) : unwind_caller(frame);
}

/* What was recorded of the block goes, or along with it. */
static COLD void end_records(const void *block, const struct release *by, bool nested) {
    struct place to = {0};
    if (by->moved_to) to = arena_find(by->moved_to);
    if (to.tracked && !nested)
        records_move(block, &to);
    else
        records_drop(block, !nested);
}

/* That another thread has freed it than made it is worth knowing where it is freed again. */
COLD void track_note_elsewhere(struct side *side) {
    uint32_t me = track_thread();
    if (me == 0 || side->thread == me) return;
    side->thread = me & 0x3fffff;
    side->freed_elsewhere = true;
}

/* Marks a tracked block as freed; false: it was not live. One exchange, so that of two frees one loses. */
static bool mark_freed(const struct place *place, const struct release *by, const void *frame, bool nested) {
    struct side *side = place->side;
    uint32_t state = atomic_load_explicit(&side->state, memory_order_acquire);
    bool counts = !by->moved_to && !state_is_inherited(side);
    do
        if (!SIDE_IS_LIVE(state)) return false;
    while (!atomic_compare_exchange_weak_explicit(&side->state, &state, SIDE_FREED, memory_order_acq_rel,
                                                  memory_order_acquire)); /* a record may have come */
    if (unlikely(state & SIDE_RECORDED)) end_records(place->start, by, nested);
    if (unlikely(state & SIDE_POOLED)) pools_drop(place, !nested);
    if (unlikely(side->is_link_map)) modules_unloaded();
    if (counts && !nested) (void)heap_mine(); /* it has rows of its own */
    if (counts)
        totals_freed(side);
    else if (unlikely(live_blocks_on))
        live_block_gone(side); /* it has moved */
    if (!counts && !by->moved_to) totals_inherited_changed(NULL, side->size, side_draw(side));
    side->latest_stack = nested ? STACK_UNKNOWN : stack_of_free(frame);
    if (unlikely(side->thread != tls.thread) && records_on) track_note_elsewhere(side);
    if (likely(!(state & SIDE_IGNORED))) sample_count(); /* those were not drawn, or few of them */
    return true;
}

/* A block that was just freed and is freed again is the head of a list; further down, nobody looks on the way. */
static bool is_freed_already(const struct place *place) {
    return place->kind == PLACE_SLOT && slab_owner(place->slab) == tls.heap &&
           (void *)place->slab->local_free == place->start;
}

void track_check_end(const char *entry, const struct place *place, const void *caller) {
    size_t at = pattern_end_damage(place, place->side->size);
    if (likely(at == PATTERN_INTACT)) return;
    state_count_bad_free();
    report_damage(MISUSE_PAST_END, entry, place, at, caller);
}

/* False: it was no live block, which was reported. */
static bool end_block(const struct place *place, const struct release *by, const void *caller, const void *frame,
                      bool nested) {
    if (place->tracked ? !mark_freed(place, by, frame, nested) : is_freed_already(place)) {
        track_misuse(MISUSE_DOUBLE_FREE, by->entry, place->start, place, caller);
        return false;
    }
    if (place->tracked) {
        family_check(place, by, caller, nested ? NULL : frame);
        track_check_end(by->entry, place, caller);
    }
    if (!place->tracked && state_tracking()) modules_note_free(place->start);
    if (options.zero_on_free) mem_zero(place->start, place->size);
    if (place->tracked) pattern_free(place);
    return true;
}

/* The places of tracked blocks may have to wait. */
static void release(const struct place *place, const void *caller) {
    char *p = place->tracked ? arena_delay(place) : place->start;
    if (likely(p == place->start)) {
        arena_release(place);
    } else if (p) {
        struct place oldest = arena_find(p);
        check_free_place("free", &oldest, 0, caller);
        arena_release(&oldest);
    }
}

void track_free_slowly(void *p, const struct release *by, const void *frame) {
    if (!p) return;
    struct place place = arena_find(p);
    const void *caller = ((void *const *)frame)[1];
    if (unlikely(!track_check(by->entry, p, &place, caller))) {
        if (place.kind == PLACE_FOREIGN && foreign_is_libcs(p)) {
            state_count_foreign_free();
            foreign_free(p);
        }
        return;
    }
    bool outermost = arena_enter();
    /* What handlers are given lives briefly: an exception that one has thrown is freed where it was caught. */
    if (unlikely(!outermost) && place.kind == PLACE_EMERGENCY) outermost = is_left(frame);
    if (end_block(&place, by, caller, frame, !outermost)) {
        if (likely(outermost))
            release(&place, caller);
        else
            arena_nested_release(&place);
    }
    track_leave(outermost);
}

/* --- at the end --- */

static void look_at_live(void *context, const void *p, const struct side *side, uint64_t pinned) {
    (void)context, (void)side, (void)pinned;
    struct place place = arena_find(p);
    if (place.tracked) track_check_end(NULL, &place, NULL);
}

static void look_at_freed(const void *p) {
    struct place place = arena_find(p);
    if (place.tracked && place.kind == PLACE_SLOT) check_free_place(NULL, &place, 0, NULL);
}

/* Other threads would be changing what is looked at. */
static bool is_alone(void) {
    struct stat s;
    return sys4(SYS_newfstatat, AT_FDCWD, (long)"/proc/self/task", (long)&s, 0) == 0 && s.st_nlink == 3;
}

void track_look_at_end(void) {
    if (!options.harden || !state_checked() || !is_alone()) return;
    struct arena_stats stats = {0};
    struct arena_class classes[CLASSES + 1] = {0};
    struct arena_look look = {.epoch = ARENA_ALL_EPOCHS, .tracked = look_at_live};
    arena_walk(&look, &stats, classes);
    arena_each_delayed(look_at_freed);
}

size_t track_usable_size(const void *p, const void *caller) {
    if (!p) return 0;
    struct place place = arena_find(p);
    if (place.kind == PLACE_FOREIGN && foreign_is_libcs(p)) return foreign_usable_size(p);
    if (!track_check("malloc_usable_size", p, &place, caller)) return 0;
    /* What may be written without harm to the pattern. */
    return place.tracked && options.pattern ? place.side->size : place.size;
}
