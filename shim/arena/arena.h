/* The arena: what the rooms above may ask of it. Memory is charged (base/charge.h) before it is committed and given
 * back after; NULL means that the ceiling or the kernel refused, and tls.refused tells which. Nothing here sets errno,
 * prints, or tracks. Sizes are at most PTRDIFF_MAX; who calls has checked that.
 *
 * The slow entries run between arena_enter and arena_leave: a signal handler that interrupts one finds the thread busy
 * and is served apart (arena_nested_…). */
#ifndef WEIR_ARENA_ARENA_H
#define WEIR_ARENA_ARENA_H

#include "shim/arena/held.h"

struct sample_wishes {
    uint64_t bytes, blocks, rate; /* R, R / C, and samples a second; 0 bytes: nothing is sampled */
};
struct arena_wishes {
    bool track_all;              /* the direct table stays empty, so that every allocation takes the slow path */
    bool careful;                /* so does every free */
    bool guard;                  /* a slice that cannot be touched follows every slab and run */
    bool check;                  /* lists of free places are looked at as a whole before they are handed out again */
    bool delay;                  /* what is given back is used again late, see delay.h; only with track_all */
    struct sample_wishes sample; /* some blocks are tracked, by draws; with track_all when arena_track says so */
};
/* Once, before anything else. False: no address space at all. */
bool arena_start(const struct arena_wishes *wishes);

/* Which blocks are tracked from here on, where arena_start was told of samples. Other threads than this one go on as
 * before until a list that they allocate from is used up: some hundred blocks of a size. Also in a signal handler. */
enum arena_tracking { ARENA_TRACKS_NONE, ARENA_TRACKS_SAMPLES, ARENA_TRACKS_ALL };
void arena_track(enum arena_tracking which);
void arena_set_rate(uint64_t samples); /* a second, at most */

/* A scope of this thread's begins, or ends, whose blocks are to be noted in their entries (tls.ignores). So they are
 * all to be tracked, and no allocation is a fast one: of the first ARENA_IGNORES blocks, since some programs never
 * leave. Whether one that is made now is one of these; between enter and leave. */
#define ARENA_IGNORES 10000u
void arena_ignore(bool begins);
bool arena_ignores_one(void);
size_t arena_plan(bool tracks); /* bytes of address space that it will ask for; may be called before it starts */
size_t arena_dear_size(void);   /* of an arena that is small because address space costs much here; 0: it is not */
bool arena_can_track(void);     /* there was address space for the entries */
bool arena_is_used(void);       /* some thread has asked for a small block */

/* --- between enter and leave --- */

/* Outside of slow paths: a fast path, or a near one, is under way. */
ALWAYS_INLINE bool arena_gate_is_shut(void) {
    return tls.heap && (tls.self == NO_HEAP || tls.limit == 0);
}
void arena_take_changes(void);
ALWAYS_INLINE void arena_open_gates(void) {
    if (unlikely(tls.changes != arena.changes)) arena_take_changes();
    tls.self = (uintptr_t)tls.heap + (arena.base >> WINDOW_SHIFT);
    tls.limit = SMALL_MAX + 1;
}

/* True for the outermost slow path of this thread; false for a signal handler's that interrupted one, or a fast path.
 * Both are left. */
ALWAYS_INLINE bool arena_enter(void) {
    if (tls.depth++ != 0 || arena_gate_is_shut()) return false;
    if (unlikely(atomic_load_explicit(&held_signals_wanted, memory_order_relaxed))) held_take_signals();
    tls.self = NO_HEAP;
    tls.limit = 0;
    if (tls.heap) atomic_store_explicit(&tls.heap->busy, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    return true;
}
/* `outermost`: what arena_enter said. */
ALWAYS_INLINE void arena_leave(bool outermost) {
    atomic_signal_fence(memory_order_seq_cst);
    if (outermost && tls.heap) {
        atomic_store_explicit(&tls.heap->busy, 0, memory_order_release);
        arena_open_gates();
    }
    tls.depth--;
    atomic_signal_fence(memory_order_seq_cst); /* what comes later does not wait any more */
    if (unlikely(tls.held)) held_let_go();
}

/* For a signal handler that may not come back: weir is interrupted where that has to wait; or anywhere. */
ALWAYS_INLINE bool arena_is_inside(void) {
    return tls.depth > 0 || tls.within > 0;
}
ALWAYS_INLINE bool arena_is_interrupted(void) {
    return arena_is_inside() || arena_gate_is_shut();
}

struct place;

/* A block of at least n bytes, aligned to `alignment` (a power of two, 16 at least). `zero`: it is all zero. With
 * `side` it lies among tracked blocks and *side is its entry, for the caller to fill. */
void *arena_allocate(size_t n, size_t alignment, bool zero, struct side **side);

/* By what a block was drawn to be tracked, see sample.h. */
struct draw {
    uint8_t class; /* or SAMPLE_CERTAIN */
    uint8_t thinned;
};

ALWAYS_INLINE struct draw side_draw(const struct side *side) {
    return (struct draw){side->drawn, side->thinned};
}
ALWAYS_INLINE void side_set_draw(struct side *side, struct draw draw) {
    side->drawn = draw.class;
    side->thinned = draw.thinned & 31u;
}

/* The same for a block that nobody tracks, unless it is drawn. Then *drawn, and a run is there with its entry, while
 * nothing else is: NULL, and the caller is to ask for a tracked one. */
void *arena_allocate_or_draw(size_t n, size_t alignment, bool zero, struct draw *draw, bool *drawn, struct side **side);

/* An untracked run has grown to n bytes: its entry, where it is drawn; else NULL. */
struct side *arena_draw_grown(const struct place *place, size_t n, struct draw *draw);

/* A block of no bytes, which nobody can touch. NULL also where there are many of them already. */
void *arena_allocate_nothing(size_t alignment, struct side **side);

/* All frees of blocks of the place's slab take the slow path from here on. The place is somebody's, so the slab stays.
 */
void arena_be_careful(const struct place *place);

/* Where the place is to wait until it may be used again (delayed reuse), the start of the one whose wait is over by
 * that, NULL: none's; else its own start. */
char *arena_delay(const struct place *place);

/* Gives a block back. Only what arena_find has found to be a live place. */
void arena_release(const struct place *place);

/* Whether realloc to n bytes leaves a block in a place of `size` bytes: while at least half of it stays in use. */
ALWAYS_INLINE bool arena_stays(size_t size, size_t n) {
    return n <= size && n >= size / 2;
}

/* Tries to make the block hold n bytes where it is, or by moving its pages; NULL: neither, and the block is as it was.
 */
void *arena_resize(const struct place *place, size_t n);

/* Gives back what weir retains: empty slabs of this thread and of those that ended, and free slices. True: something
 * was given back, here or by another thread at the same time. */
bool arena_reclaim(void);

/* Asks the owners of other threads' heaps for what these retain. Bytes that may come of it, at most: of slabs that they
 * allocate from, whether a block is in them or not (SIZE_MAX: somebody is just giving). The same for those who have not
 * answered yet. They never will, it seems: not waited for again before they have run. */
size_t arena_ask(void);
size_t arena_unanswered(void);
void arena_asked_in_vain(void);

/* --- sampling --- */

#define SAMPLE_CERTAIN 255u /* in place of a class: taken whatever a draw had said */

/* Of being drawn so, in units of 2^-62. */
uint64_t sample_probability(struct draw draw);

/* How many blocks one that is drawn so stands for, in units of 2^-SAMPLE_WEIGHT_SHIFT; computed once each. */
#define SAMPLE_WEIGHT_SHIFT 16
uint64_t sample_weight(struct draw draw);

/* Whether realloc to n bytes would have left it in place, had it not been drawn. */
bool sample_would_stay(struct draw draw, const struct place *place, size_t n);

/* A sample was made; one was freed, or more was noted of it; one found no memory, and is not tracked. */
void sample_count_taken(void);
void sample_count(void);
void sample_count_lost(void);

/* More than what WEIR_SAMPLE_RATE allows was counted just now: what can be left out should be. */
bool sample_is_spent(void);

struct sample_numbers {
    uint64_t taken, lost;           /* by this process */
    uint32_t thinned, most_thinned; /* now, and ever; see sample.h */
};
struct sample_numbers sample_numbers(void);

/* --- for a signal handler inside a slow path of its own thread: no heap, no lock that the thread holds --- */
void *arena_nested_allocate(size_t n, size_t alignment, bool zero);
void arena_nested_release(const struct place *place);

/* What the nested one interrupted is no more: its handler has left by a jump, or is about to. Gives up the locks that
 * the thread held, and the heap, where a slow path was changing it; the caller is the outermost from here on. */
void arena_left_by_jump(void);

/* --- on any pointer, at any time --- */

enum place_kind {
    PLACE_FOREIGN, /* not in the arena */
    PLACE_NOTHING, /* in the arena, but no block was ever here, or its slab is gone */
    PLACE_SLOT,    /* a slab's place */
    PLACE_RUN,
    PLACE_EMERGENCY
};
struct place {
    enum place_kind kind;
    bool exact;        /* the pointer is where a block begins */
    bool tracked;      /* `side` holds */
    bool exists;       /* SLOT: within capacity; else it has never been handed out */
    char *start;       /* where the block begins */
    size_t size;       /* bytes that its user may use */
    struct slab *slab; /* head descriptor */
    uint32_t index;    /* SLOT: which place */
    struct side *side;
};
struct place arena_find(const void *p);

/* Where the block of an entry begins. `number`: of the entry among those of a kind, from what was used first on; those
 * of a slab's places follow each other. */
#define ARENA_ENTRY_KINDS 3 /* of places, and of runs in either zone */
char *arena_block_of(const struct side *side, unsigned *kind, size_t *number);

/* The list that a place has just come from is not one of free places: no more of it is handed out. By the owner. */
void arena_forget_list(const struct place *place);

/* Each place that was freed and waits to be used again (delayed reuse). */
void arena_each_delayed(void (*look)(const void *p));

/* --- threads --- */

/* Called once a thread, outside of any slow path, after it got a heap. Set by the room that can see threads end. */
extern void (*arena_watch_thread)(void);

/* The thread ends: its heap is parked for another one. `last`: its end will not be noticed again, so that it gets none
 * any more; else it may adopt one, and is watched again. */
void arena_thread_ended(bool last);

/* First thing in a child of fork, see heap_forked. */
void arena_forked(void);

/* --- looking at everything, without locks: for dumps (walk.c) --- */

struct arena_stats {
    uint64_t blocks, bytes;      /* live, as places */
    uint64_t told_bytes;         /* of those, tracked ones that were looked at */
    uint64_t older, older_bytes; /* and tracked ones of earlier epochs that were counted, not looked at */
    uint64_t slabs, runs;
    uint64_t heaps, parked;
    uint64_t purged;   /* bytes ever given back */
    uint64_t reserved; /* address space */
    uint64_t sides;    /* bytes charged for entries of tracked blocks */
};

/* How full a slab is: no block; up to a quarter, half, three quarters of its places; more; all. As Netty's chunks. */
#define ARENA_OCCUPANCIES 6
struct arena_class {
    uint64_t slabs, live, capacity;
    uint64_t made;      /* places ever handed out; what was given back is what is not live */
    uint64_t committed; /* bytes charged */
    uint32_t occupancy[ARENA_OCCUPANCIES];
};

/* A slab, a run, or what is retained: slices without a block. */
struct arena_span {
    const char *start;
    uint64_t size;      /* bytes, whole slices */
    uint64_t committed; /* bytes charged, from the start of each slice on */
    uint64_t live;      /* bytes of live places */
    bool run;
};

struct arena_look {
    uint32_t epoch; /* of slabs where none was made in it, tracked blocks are counted, not looked at */
    /* Each live tracked block; `pinned`: its share of the bytes of its slab that are free, and cannot go because of it.
     * NULL: none is looked at. */
    void (*tracked)(void *context, const void *p, const struct side *side, uint64_t pinned);
    /* Each span with memory; may be NULL. */
    void (*span)(void *context, const struct arena_span *span);
    void *context;
};
#define ARENA_ALL_EPOCHS UINT32_MAX

/* Adds up, and calls. classes[CLASSES] is runs. */
void arena_walk(const struct arena_look *look, struct arena_stats *stats, struct arena_class classes[CLASSES + 1]);

#endif
