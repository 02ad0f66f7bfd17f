/* Locks that a fork cannot leave locked. All lock words live in one page that the kernel empties in every child that
 * has an address space of its own (MADV_WIPEONFORK): fork, _Fork, clone. A child of vfork or CLONE_VM shares the
 * page, as it shares the memory that the locks guard. So no lock needs to be taken around a fork, and what a lock
 * guards is written in an order in which every half-done state is safe for a child that finds it: at worst something
 * is lost to that child, never handed out twice.
 *
 * Lock order: LOCK_KEPT, LOCK_HEAPS, LOCK_SLICES; LOCK_MODULES, LOCK_BOX, and each of LOCK_RECORDS and LOCK_POOLS,
 * alone. Nothing is locked while unwinding, none is held across a callback. The writer of a dump holds LOCK_DUMP over
 * all that it does (box/dump.h); nobody waits for that one for ever. A signal handler never waits for these: a thread
 * inside weir is marked busy (see arena/heap.h). */
#ifndef WEIR_BASE_LOCK_H
#define WEIR_BASE_LOCK_H

#include "shim/base/base.h"

#define LOCK_STRIPES 16
enum lock_name {
    LOCK_START,
    LOCK_KEPT,
    LOCK_HEAPS,
    LOCK_SLICES,
    LOCK_MODULES,
    LOCK_BOX,
    LOCK_DUMP,
    LOCK_RECORDS,                             /* a share of the access records each, LOCK_STRIPES of them */
    LOCK_POOLS = LOCK_RECORDS + LOCK_STRIPES, /* the same of pools' parts */
    LOCKS = LOCK_POOLS + LOCK_STRIPES
};

/* What outlives the process where it has a box, see box/format_box.h. */
enum live_number {
    LIVE_USED,
    LIVE_PEAK,
    LIVE_PEAK_TIME,
    LIVE_MAX,
    LIVE_REFUSED,
    LIVE_REFUSED_BYTES,
    LIVE_HIGH,
    LIVE_LOW,
    LIVE_SEEN
};

/* The page that forks wipe. `owner` is the process that these locks work for; 0 tells a child that it is new. */
struct lock_page {
    _Atomic uint32_t word[LOCKS][16]; /* 0 free, else who holds it, see lock.c; a cache line each */
    _Atomic uint32_t owner;           /* process id */
    _Atomic uint32_t purging;         /* threads that give free memory back just now (arena/slices.c) */
    _Atomic uint32_t live_tried;      /* this process has made its box, or cannot (box/live.h) */
    _Atomic uint32_t ending;          /* a thread waits to write the dump at the end, before all others (box/dump.h) */
    _Atomic uint64_t *_Atomic live;   /* where its counters are to be told, by enum live_number; NULL: nowhere */
} ALIGNED(4096);
extern struct lock_page lock_page HIDDEN;

void lock_take(enum lock_name name);
bool lock_try(enum lock_name name);
void lock_give(enum lock_name name);

/* True when this thread holds it: only a signal handler that interrupted weir can see that. */
bool lock_held_here(enum lock_name name);

/* Gives all that this thread holds: it has left by a jump. What they guard is in a state that a fork may leave, too. */
void lock_give_held(void);

/* A word that threads of this process hold in turns; held by a process that forked off, it is free. Never waits for a
 * thread of its own process. */
bool lock_try_word(_Atomic uint32_t *word);
void lock_give_word(_Atomic uint32_t *word);

/* Makes the page one that forks wipe. Once, at start. */
void lock_start(void);

/* What this process is to the state in memory. */
enum lock_process { PROCESS_OWNER, PROCESS_NEW_CHILD, PROCESS_BORROWER /* vfork or CLONE_VM child */ };
enum lock_process lock_process(void);

/* A new child takes the state over. True for the one caller that does it. */
bool lock_adopt(void);

ALWAYS_INLINE uintptr_t thread_pointer(void) {
    uintptr_t tp;
    __asm__("mov %%fs:0, %0" : "=r"(tp));
    return tp;
}

#endif
