/* What the process is to the tables: whether it tracks, since when it is a child, what it saw go wrong. */
#ifndef WEIR_BOX_STATE_H
#define WEIR_BOX_STATE_H

#include "shim/arena/arena.h"

/* Blocks are being tracked: the tables of stacks and modules exist. */
bool state_tracking(void);                /* blocks have stacks, and are listed in dumps */
bool state_checked(void);                 /* blocks have entries: where they are tracked, or with WEIR_HARDEN */
ALWAYS_INLINE bool state_sampling(void) { /* some blocks are tracked, by draws */
    return state_tracking() && !state_checked();
}
void state_set_tracking(bool on);
void state_set_checked(bool on);

/* Once, at start: which process this is. */
void state_start(void);

/* A fork begins a new epoch: tracked blocks of earlier ones are inherited. */
void state_new_epoch(void);
uint64_t state_fork_time(void);   /* CLOCK_MONOTONIC ns, 0: never forked */
uint32_t state_forked_from(void); /* the process whose memory this one's is a copy of; 0: none, or it is not known */
uint32_t state_own_epoch(void);   /* of a walk that need not look at what is inherited */
bool state_is_inherited(const struct side *side);
uint32_t state_epoch(void); /* how many forks ago the first process was, modulo 128 */

/* The state of a side entry that is made live now, in this slab. */
uint32_t state_live(struct slab *s);

struct state_numbers {
    uint64_t foreign_frees, bad_frees, mismatches, jumps;
};
struct state_numbers state_numbers(void);
void state_count_foreign_free(void);
void state_count_bad_free(void);
void state_count_mismatch(void);
void state_count_jump(void); /* a signal handler left weir by siglongjmp */

#endif
