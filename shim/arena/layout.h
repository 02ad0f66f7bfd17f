/* How the arena lies in memory, and the two structures that the fast paths touch.
 *
 *   arena.base                                            arena.base + arena.slices * 64 KiB
 *   | low zone: slabs, runs under 1 MiB                  | high zone: runs of 1 MiB and more |
 *   |slice|slice|slice|...                               |slice|slice|...                    |
 *
 *   arena_slabs: struct slab[slices], one descriptor a slice, in a guarded reservation of its own; all zero and
 *   unwritten for a slice that was never used. A span of several slices is described by its first one (the head);
 *   the others are TAILs that name their distance to it.
 *
 * A pointer is weir's when ((p - arena.base) >> 16) < arena.slices: one subtract, one compare, on any word. The fast
 * free is faster still: the arena is one aligned window of 1 TiB, bits 16 to 39 of any pointer pick a descriptor, and
 * the bits above are added to the owner, so that a single compare with tls.self says "in the arena, in a slab of mine,
 * that is not tracked". Where address space is limited (RLIMIT_AS) the arena is smaller and every slab is
 * CAREFUL.
 *
 * A slab hands its places out from `free`; the owner's own frees go to `local_free`, others' to `remote`. When `free`
 * runs dry, `local_free` takes its place, then the slab is extended by fresh places. So only the slab that a heap
 * currently allocates from ever has anything on `free`, and for it `used` counts the places on `free` as used.
 *
 * A slab that has nothing left to hand out goes to sleep: it lies on no list until a share of it is free again, so that
 * random frees do not bring full slabs back for one place each. Meanwhile `used` counts down to that moment, which the
 * owner's fast free notices by the test that it makes anyway, and `asleep` is what lies below:
 *
 *   used + asleep == capacity - length(local_free)      always, but inside a free
 *   used + asleep == 0                                  all places free, none waiting on remote: the slab may go
 *   asleep == 0                                         where rest is REST_NOT
 */
#ifndef WEIR_ARENA_LAYOUT_H
#define WEIR_ARENA_LAYOUT_H

#include "shim/base/base.h"

#include <stdatomic.h>

#define SLICE_SHIFT       16
#define SLICE             ((size_t)1 << SLICE_SHIFT)
#define SLAB_SPAN_SHIFT   19 /* 512 KiB: the larger slabs; every slab lies inside one aligned 512 KiB span */
#define CLASSES           80 /* 16 in steps of 16 bytes to 256, then 8 per doubling to 64 KiB */
#define CLASS_MAX         (64 * KIB)
#define SMALL_MAX         ((size_t)1024) /* sizes that the direct table serves */
#define SLOT_SMALL_MAX    (8 * KIB) /* places up to here live in slabs of one slice, larger ones in slabs of eight */
#define SLAB_SLICES_LARGE 8
#define RUN_HIGH          (1 * MIB) /* runs from here on live in the high zone */

/* A free place's first word: the next one of its list. Built with ENCODE=1 it is mixed with the place's address and a
 * random key, so that a leaked link tells no address and a forged one leads out of the slab, where it is found. */
struct link {
    uintptr_t word;
};
#ifdef WEIR_ENCODE
extern uintptr_t link_key HIDDEN;
#    define LINK_MIX(b) ((uintptr_t)(b) ^ link_key)
#else
#    define LINK_MIX(b) ((uintptr_t)0)
#endif
ALWAYS_INLINE struct link *link_next(const struct link *b) {
    return (struct link *)(b->word ^ LINK_MIX(b));
}
ALWAYS_INLINE void link_set(struct link *b, const struct link *next) {
    b->word = (uintptr_t)next ^ LINK_MIX(b);
}

/* On `free` a link may have a mark: its place was drawn, see sample.h. No address has the bit, so that a marked link
 * leads out of the slab for the fast path. (Not the highest one, a double's sign.) */
#define LINK_MARK ((uintptr_t)1 << 56)
ALWAYS_INLINE bool link_is_marked(const struct link *b) {
    return ((uintptr_t)link_next(b) & LINK_MARK) != 0;
}
ALWAYS_INLINE struct link *link_follow(const struct link *b) {
    return (struct link *)((uintptr_t)link_next(b) & ~LINK_MARK);
}
ALWAYS_INLINE void link_set_marked(struct link *b, const struct link *next, bool mark) {
    link_set(b, (const struct link *)((uintptr_t)next | (mark ? LINK_MARK : 0)));
}

/* By which functions a block is made, and by which it is to be given back. */
enum family {
    FAMILY_UNKNOWN = 0, /* nothing is said of it */
    FAMILY_MALLOC,
    FAMILY_NEW,
    FAMILY_ARRAY,
    FAMILY_ALIGNED = 4 /* beside NEW and ARRAY: of a type with an alignment of its own */
};

/* What is remembered of a tracked block. 32 bytes; index i of a slab's side array belongs to place i. Written by the
 * maker before the pointer is returned, by whoever reallocates or frees it then. Times are CLOCK_MONOTONIC, coarser
 * than its nanoseconds: 9 years fit. Thread ids are below 2^22 (PID_MAX_LIMIT). */
struct side {
    _Atomic uint32_t state;       /* enum side_state */
    uint32_t stack;               /* id of the creation stack */
    uint32_t thread : 22;         /* kernel thread id of the maker; see freed_elsewhere */
    uint32_t family : 3;          /* enum family */
    uint32_t is_link_map : 1;     /* of a module that frames name: its free tells that the module is unloaded */
    uint32_t thinned : 5;         /* it was drawn by, see sample.h */
    uint32_t freed_elsewhere : 1; /* by another thread than its maker; `thread` is that one from there on */
    uint32_t latest_stack;    /* id of the stack of its free; while it lives, of when realloc made it larger; 0: none */
    uint64_t size : 48;       /* bytes asked for */
    uint64_t grown_high : 16; /* when realloc made it larger, in 2^26 ns: the upper half */
    uint64_t time : 40;       /* when it was made, in 2^18 ns */
    uint64_t drawn : 8;       /* class of the place that it would have, were it not tracked; SAMPLE_CERTAIN */
    uint64_t grown_low : 16;  /* the lower half */
};
_Static_assert(sizeof(struct side) == 32, "struct side is 32 bytes");

#define SIDE_TIME_SHIFT  18
#define SIDE_GROWN_SHIFT 26

ALWAYS_INLINE uint64_t side_time(const struct side *s) {
    return (uint64_t)s->time << SIDE_TIME_SHIFT;
}
ALWAYS_INLINE uint64_t side_grown(const struct side *s) {
    return (uint64_t)((uint32_t)s->grown_high << 16 | s->grown_low) << SIDE_GROWN_SHIFT;
}
ALWAYS_INLINE void side_set_grown(struct side *s, uint32_t stack, uint64_t time) {
    uint32_t at = (uint32_t)(time >> SIDE_GROWN_SHIFT);
    s->latest_stack = stack;
    s->grown_high = (uint16_t)(at >> 16);
    s->grown_low = (uint16_t)at;
}

/* A live entry's low 7 bits tell before how many forks it was made (box/state.h), the others what is known of its block
 * elsewhere: a free that finds one of them takes the long way. */
enum side_state { SIDE_NEVER = 0, SIDE_LIVE = 0x4c495000, SIDE_FREED = 0x46524545 };
#define SIDE_RECORDED       128u /* there are access records of it (box/records.h) */
#define SIDE_IGNORED        256u /* the program has said that it is no leak (box/ignored.h) */
#define SIDE_POOLED         512u /* a pool of the program's has given out parts of it (box/pools.h) */
#define SIDE_NOTES          (SIDE_RECORDED | SIDE_IGNORED | SIDE_POOLED)
#define SIDE_IS_LIVE(state) (((state) & ~1023u) == SIDE_LIVE)

enum slab_kind { KIND_NONE = 0, KIND_SLAB, KIND_RUN, KIND_TAIL, KIND_EMERGENCY, KIND_KEPT /* a run, see kept.h */ };

/* owner: the heap's address, a multiple of HEAP_SIZE, and these bits; either sends a free to the slow path. They lie
 * above what (pointer >> WINDOW_SHIFT) of a user address can be, which is added for the compare. */
#ifndef WINDOW_SHIFT
#    define WINDOW_SHIFT 40 /* builds for valgrind and ThreadSanitizer, which have less address space, say less */
#endif
#define OWNER_TRACKED 0x200u /* places have side entries */
#define OWNER_CAREFUL 0x400u /* every free takes the slow path (WEIR_ZERO_ON_FREE, a small arena, a link map) */
#define OWNER_BITS    0x7ffu
#define NO_OWNER      ((uintptr_t)0)         /* slices that are no slab: runs, tails, free ones */
#define NO_HEAP       ((uintptr_t)INT32_MIN) /* an address of the kernel's half: compares with no owner */

/* remote: the list's first place (16-aligned, 48 bits), its length above, these bits below. */
#define REMOTE_QUEUED     1u /* the slab is on its owner's queue, or about to be put there */
#define REMOTE_CLAIMED    2u /* someone is giving its memory back while the owner sleeps; hands off */
#define REMOTE_GIVEN      4u /* that is done: every place is free, the list is gone */
#define REMOTE_CLAIMER(r) ((uint32_t)((r) >> 16)) /* CLAIMED: whose thread, by process: a fork leaves it behind */
#define REMOTE_POINTER(r) ((struct link *)((r)&0xfffffffffff0u))
#define REMOTE_COUNT(r)   ((uint32_t)((r) >> 48))

/* Who allocates from it: its owner (NOT), nobody while it lies on its bin's list (LISTED), or while it sleeps. */
enum slab_rest { REST_NOT = 0, REST_LISTED, REST_ASLEEP };

/* What a run has in place of a slab's lists. */
struct run {
    struct side side;   /* its block's entry, where it is tracked */
    uint64_t bytes;     /* the block's, a multiple of a page */
    uint64_t committed; /* of the span, from its start on, at least so much */
    uint32_t slices;    /* of the span */
    bool tracked;       /* `side` holds */
    union {
        struct slab *next_late; /* given back in a signal handler, see run_give_later */
        uint32_t kept_in;       /* KEPT: when it was put there, see kept.c */
    };
};

/* A slice's own, whatever lies in it. */
struct slice {
    uint32_t committed; /* bytes from its start that are charged and may be dirty */
    uint8_t side_pages; /* charged pages of its side array */
    uint8_t moved;      /* its pages were moved here, see run.c */
    bool guards;        /* nobody can touch it (WEIR_GUARD) */
};

#define WAYPOINTS 6

struct slab {
    union {
        /* Line 0: the owner's alone, but that others read the counts while the slab rests. */
        struct {
            struct link *free;       /* next to be handed out; slab_nil when there is none */
            struct link *local_free; /* freed by the owner since; NULL-terminated, as `free` is */
            union {
                struct {
                    uint32_t used, asleep; /* see above */
                };
                uint64_t counts; /* both, for one store or load */
            };
            struct slab *next, *previous;  /* the bin's list */
            uint64_t left;                 /* places yet to be put on `free` before the next one that is drawn */
            uint16_t waypoints[WAYPOINTS]; /* places of local_free, in 16 bytes from the slab's start; see slab.c */
            uint8_t waypoint_count, waypoint_shift;
            uint16_t refilled; /* places that `free` held when it came about */
        };
        struct run run; /* RUN */
        char line[64];
    };
    /* Line 1: what everyone reads who frees, and what others write. An owner that allocates does not touch it. */
    _Atomic uintptr_t owner;   /* see OWNER_…; relaxed loads and stores, which are plain moves */
    _Atomic uint64_t remote;   /* see REMOTE_…; 0 in what is no slab */
    struct slab *remote_next;  /* on the owner's queue; written by whoever set REMOTE_QUEUED, as remote_last is */
    uint32_t size;             /* bytes of a place */
    uint32_t reciprocal;       /* ceil(2^31 / (size / 16)): place of an offset = ((offset >> 4) * reciprocal) >> 31 */
    uint32_t reserved;         /* places that fit */
    _Atomic uint32_t capacity; /* places that exist so far; only grows */
    uint8_t kind;              /* enum slab_kind */
    uint8_t class;
    uint8_t slices;       /* of the span, slabs only */
    _Atomic uint8_t rest; /* enum slab_rest; written by the owner */
    uint32_t head;        /* TAIL: slices back to the head */
    struct slice slice;
    bool grows_fast;  /* in larger steps, see slab.c */
    uint8_t thinned;  /* by which the marks on `free` were drawn, see sample.h; the owner's */
    uint8_t drawn_in; /* sample_epoch then */
    uint8_t epoch;    /* of the last tracked block made here: its state's low bits; written by its maker, before that */
    uint16_t remote_last; /* the first that came on `remote`, and so the last of it: as waypoints */
} ALIGNED(128);
_Static_assert(sizeof(struct slab) == 128, "a descriptor is two cache lines");
_Static_assert(offsetof(struct slab, owner) == 64, "others' fields begin on line 1");
_Static_assert(sizeof(struct run) <= 64, "a run's fields lie on line 0");

struct bin {
    struct slab *current; /* allocated from; one of another class is on loan, see heap.h */
    struct slab *list;    /* others with a share of free places, newest first; sleeping slabs are on no list */
};

/* Runs that the heap's thread keeps, see kept.h, which says who may touch what. */
#define KEPT_CLASSES 8
#define KEPT_EACH    2
struct kept {
    _Atomic uint32_t seized; /* the process whose thread has them; 0: the owner has */
    uint32_t puts;           /* counts them, see near.c */
    _Atomic size_t bytes;    /* of them all, as spans */
    struct slab *runs[KEPT_CLASSES][KEPT_EACH];
};

/* GIVING: the owner is at it. IN_VAIN: whoever asked has waited for as long as one waits. */
enum heap_asked { ASKED_NOT = 0, ASKED, ASKED_GIVING, ASKED_IN_VAIN };

struct heap {
    _Atomic(struct slab *) queue; /* slabs with something on `remote`; anyone pushes, the owner takes all */
    _Atomic size_t waiting;       /* bytes of slabs on it whose every place waits to be drained */
    _Atomic uint32_t waited;      /* that was much already when a period began */
    struct heap *next_parked;     /* under LOCK_HEAPS */
    uint64_t parked_since;        /* coarse clock, ns */
    uint64_t woken;               /* the same; when its sleeping slabs were all looked at, see heap_wake_all */
    _Atomic uint32_t parked;
    _Atomic uint32_t busy;    /* a slow path is changing it: useless to a process that is forked off now */
    _Atomic uint32_t process; /* whose thread took it */
    _Atomic uint32_t asked;   /* enum heap_asked: others want what it retains */
    uint32_t index;
    uint32_t slabs; /* how many it has; written by the owner, as `looks` is */
    uint64_t looks; /* at lists, see slab.c */
    void *tally;    /* what box/totals.c adds up for it; NULL: nothing yet */
    void *walk;     /* what track/unwind.c remembers for it; NULL: nothing yet */
    struct kept kept;
    struct bin bins[]; /* a class; again for tracked blocks, where any are; written by the owning thread only */
};
#define HEAP_SIZE         ((size_t)2048) /* also its alignment: an owner's bits lie below */
#define HEAP_SIZE_TRACKED ((size_t)4096)
_Static_assert(sizeof(struct heap) + CLASSES * sizeof(struct bin) <= HEAP_SIZE, "bins for untracked blocks");
_Static_assert(sizeof(struct heap) + (size_t)2 * CLASSES * sizeof(struct bin) <= HEAP_SIZE_TRACKED,
               "bins for all blocks");

#define TLS_SIGNALS_STACKS 4

/* The thread's own: initial-exec, small, and valid in every state (a thread that never allocated has no slabs). */
struct tls {
    /* The two gates of the fast paths. Each is shut while its own fast path is under way, both are while a slow path
     * is: what a signal handler then asks for takes the slow path, finds the gate shut, and is served apart. */
    uintptr_t self;    /* free's: the heap's address + (arena.base >> WINDOW_SHIFT); shut: NO_HEAP */
    size_t limit;      /* malloc's: sizes below it are served, SMALL_MAX + 1; shut: 0, as before TLS is set up */
    struct heap *heap; /* NULL: none yet, or none any more */
    bool dying;        /* past its destructors: it borrows a parked heap a call */
    struct slab *direct[(SMALL_MAX >> 4) + 1]; /* by (size + 15) / 16: the slab to pop from; slab_empty */
    bool reserve_open;                         /* charges may come out of the loader's reserve */
    bool large;                                /* what is asked for is not for WEIR_RESERVE */
    bool watched;                              /* the thread's end will be noticed (arena_thread_ended) */
    uint32_t depth;                            /* of weir's slow paths on this thread's stack */
    uint32_t within;                           /* of its other parts that a cancellation must not cut off, see held.h */
    uint8_t held;                              /* HELD_…: what waits until weir is left */
    uint8_t changes;                           /* arena.changes, as this thread knows it */
    bool cut;                                  /* a fast path may have been: slabs may have missed to wake */
    uint16_t purges;                           /* this thread's part in lock_page.purging */
    uint64_t signals;                          /* HELD_SIGNALS: the thread's own mask */
    uint64_t random;                           /* its draws, see sample.c */
    uint64_t run_distance;                     /* to the next run that is drawn; 0: not drawn yet */
    uint32_t random_process;                   /* that it draws for */
    uint32_t draws;                            /* counts them where there are fewer of them, see sample.c */
    uint32_t nested;                           /* allocations while weir was interrupted */
    uint32_t refused;                          /* the ceiling refused since this was cleared */
    uint64_t refused_bytes, refused_used;      /* what it refused, and what was in use then */
    uint32_t thread;                           /* kernel thread id, 0: not asked yet */
    uint32_t thread_owner;                     /* the process in which it was asked */
    uint32_t ignores;                          /* scopes that it is in whose blocks are no leaks (box/ignored.h) */
    uint32_t ignores_left; /* blocks that are yet to be tracked for that, whichever others are; see arena_ignore */
    uintptr_t signals_stacks[TLS_SIGNALS_STACKS]; /* see entry/kept.c */
};
extern __thread struct tls tls HIDDEN;

struct arena {
    uintptr_t base;
    size_t slices;
    bool small;     /* less than the whole window */
    bool runs_near; /* runs may take the near path: where they are not tracked, their threads keep some */
    /* What arena_track changes while threads run; each finds out when it leaves its next slow path. */
    bool tracks_all; /* every block is to be tracked: no allocation is a fast one */
    uint8_t changes; /* of it */
};
extern struct arena arena HIDDEN;       /* written once, by arena_start, as the next two */
extern struct slab *arena_slabs HIDDEN; /* before: slab_empty, of which nothing is anybody's */
extern uintptr_t arena_mask HIDDEN;     /* of (pointer >> 9): the byte offset of its descriptor */
extern struct link slab_nil HIDDEN;     /* the end of `free` */
extern struct slab slab_empty HIDDEN;   /* a slab that never has a place */

ALWAYS_INLINE struct slab *slab_of(const void *p) {
    size_t slice = ((uintptr_t)p - arena.base) >> SLICE_SHIFT;
    return slice < arena.slices ? &arena_slabs[slice] : NULL;
}
/* The first descriptor of the span that this one is of. */
ALWAYS_INLINE struct slab *slab_head(struct slab *s) {
    return s->kind == KIND_TAIL ? s - s->head : s;
}
ALWAYS_INLINE uintptr_t slab_owner_word(const struct slab *s) {
    return atomic_load_explicit(&((struct slab *)(uintptr_t)s)->owner, memory_order_relaxed);
}
ALWAYS_INLINE void slab_set_owner_word(struct slab *s, uintptr_t word) {
    atomic_store_explicit(&s->owner, word, memory_order_relaxed);
}
ALWAYS_INLINE uint32_t slab_capacity(const struct slab *s) {
    return atomic_load_explicit(&((struct slab *)(uintptr_t)s)->capacity, memory_order_relaxed);
}
ALWAYS_INLINE enum slab_rest slab_rest(const struct slab *s) {
    return (enum slab_rest)atomic_load_explicit(&((struct slab *)(uintptr_t)s)->rest, memory_order_relaxed);
}
/* Places in use, which those on `free` and on `remote` count as. Modulo 2^32: a signal handler may have freed one more
 * while its owner was about to wake it. */
ALWAYS_INLINE uint32_t slab_used(const struct slab *s) {
    return s->used + s->asleep;
}
ALWAYS_INLINE size_t slab_index(const struct slab *s) {
    return (size_t)(s - arena_slabs);
}
ALWAYS_INLINE char *slab_start(const struct slab *s) {
    return (char *)arena.base + (slab_index(s) << SLICE_SHIFT);
}
/* Which place of the slab p lies in. */
ALWAYS_INLINE uint32_t slab_place(const struct slab *s, const void *p) {
    uint64_t offset = (uint64_t)((const char *)p - slab_start(s)) >> 4;
    return (uint32_t)((offset * s->reciprocal) >> 31);
}

/* --- size classes --- */

/* The class of a size from 1 to CLASS_MAX. */
ALWAYS_INLINE unsigned class_of(size_t n) {
    if (n <= 256) return n == 0 ? 0 : (unsigned)((n - 1) >> 4);
    unsigned exponent = 63u - (unsigned)__builtin_clzl(n - 1);
    return 16 + (exponent - 8) * 8 + (unsigned)(((n - 1) >> (exponent - 3)) & 7);
}

ALWAYS_INLINE size_t class_size(unsigned c) {
    if (c < 16) return ((size_t)c + 1) << 4;
    unsigned exponent = 8 + (c - 16) / 8, step = (c - 16) % 8 + 1;
    return ((size_t)1 << exponent) + ((size_t)step << (exponent - 3));
}

#endif
