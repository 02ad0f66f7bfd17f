/* What the process is to the tables: whether it tracks, since when it is a child, what it saw go wrong. */
#ifndef WEIR_BOX_STATE_H
#define WEIR_BOX_STATE_H

#include "shim/arena/arena.h"

#include <stdatomic.h>

/* Blocks are being tracked: the tables of stacks and modules exist. */
extern struct state {
    bool tracking, checked;
    bool sampled;           /* some blocks were drawn once, or may be by arena_track */
    bool kernel_keeps;      /* it was told pointers to blocks, for epoll, timers or signals */
    bool signals_keep;      /* of those some for signals, a word of which is not to be had while they wait */
    bool queues_keep;       /* and some for mq_notify, of which none is to be had at all */
    bool undumped;          /* it has asked for memory to be left out of cores (MADV_DONTDUMP) */
    _Atomic uint32_t epoch; /* forks so far */
} state_of_process HIDDEN;
ALWAYS_INLINE bool state_tracking(void) { /* blocks have stacks, and are listed in dumps */
    return state_of_process.tracking;
}
ALWAYS_INLINE bool state_checked(void) { /* blocks have entries: where they are tracked, or with WEIR_HARDEN */
    return state_of_process.checked;
}
ALWAYS_INLINE bool state_sampling(void) { /* some blocks are tracked, by draws */
    return state_tracking() && !state_checked();
}

/* Once, at start: which process this is. */
void state_start(void);

/* A fork begins a new epoch: tracked blocks of earlier ones are inherited. */
void state_new_epoch(void);
uint64_t state_fork_time(void);   /* CLOCK_MONOTONIC ns, 0: never forked */
uint32_t state_forked_from(void); /* the process whose memory this one's is a copy of; 0: none, or it is not known */
uint32_t state_own_epoch(void);   /* of a walk that need not look at what is inherited */

#define STATE_EPOCHS 128u /* forks of forks that are told apart; the low bits of a live entry's state */
_Static_assert((SIDE_LIVE & (STATE_EPOCHS - 1)) == 0 && SIDE_IS_LIVE(SIDE_LIVE | (STATE_EPOCHS - 1) | SIDE_NOTES) &&
                   (SIDE_NOTES & (STATE_EPOCHS - 1)) == 0,
               "the epoch has its bits to itself");

/* How many forks ago the first process was, modulo STATE_EPOCHS. */
ALWAYS_INLINE uint32_t state_epoch(void) {
    return atomic_load_explicit(&state_of_process.epoch, memory_order_relaxed) % STATE_EPOCHS;
}
ALWAYS_INLINE bool state_is_inherited(const struct side *side) {
    uint32_t state = atomic_load_explicit(&((struct side *)(uintptr_t)side)->state, memory_order_relaxed);
    return (state & ~SIDE_NOTES) != (SIDE_LIVE | state_epoch());
}

/* The state of a side entry that is made live now, in this slab. */
ALWAYS_INLINE uint32_t state_live(struct slab *s) {
    uint32_t own = state_epoch();
    if (unlikely(s->epoch != own)) s->epoch = (uint8_t)own;
    return SIDE_LIVE | own | (tls.ignores ? SIDE_IGNORED : 0);
}

struct state_numbers {
    uint64_t foreign_frees, bad_frees, mismatches, jumps;
    uint64_t collected, collected_bytes;
};
struct state_numbers state_numbers(void);
void state_count_foreign_free(void);
void state_count_bad_free(void);
void state_count_mismatch(void);
void state_count_collected(uint64_t blocks, uint64_t bytes); /* freed at the ceiling, since nothing led to them */
void state_count_jump(void);                                 /* a signal handler left weir by siglongjmp */

#endif
