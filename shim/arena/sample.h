/* Sampling: which of the blocks are to be tracked, where not all are. Inside the arena, but for the last part.
 *
 * Each byte of a block and C bytes more are marked with probability 1/R; a block with a mark is drawn. So it is with
 *
 *   p = 1 - exp(-x), x = (s + C) / (R * 2^thinned)        s the size of its place, R WEIR_SAMPLE_BYTES,
 *                                                          C = R / WEIR_SAMPLE_BLOCKS
 *
 * The fast paths know nothing of it. Places are put on `free` in lists; there each is drawn by itself, by the geometric
 * distances from one to the next (which are exponential ones over x, rounded down), and the link of a place that is
 * drawn is marked. The fast path declines it as it declines one that leads out of the slab. The near path leaves it be,
 * and the slow path tracks what was asked for: in another slab, while the place stays where it is, and is drawn once
 * more. So the block drawn is the one that would have been put there, whoever asks; a loan is drawn by its lender's
 * size. Marks that nobody comes upon (a slab goes, a thread ends, a process forks) do no harm: no draw depends on
 * another one. Runs are drawn one by one, by a distance that their thread keeps.
 *
 * No more than so many samples a second (WEIR_SAMPLE_RATE) are taken and freed: the first half of what there is of
 * them in a quarter of a second is free, from there on `thinned` rises, and it falls again when there are few. What a
 * list's marks were drawn by is noted in its slab; where thinned has risen since, a marked place is drawn once more,
 * with the quotient of the two probabilities. Each block keeps what it was drawn by.
 *
 * realloc: where it moves an untracked block, that is a draw as any other's. A tracked block stays tracked; where an
 * untracked one would have moved (or a run has grown), those that were tracked already do not stand for others any
 * more, since the draw did: they are certain from there on. That holds without bias whatever each was drawn by before.
 *
 * Not drawn: what a signal handler is given that has interrupted weir. */
#ifndef WEIR_ARENA_SAMPLE_H
#define WEIR_ARENA_SAMPLE_H

#include "shim/arena/heap.h"

#include <stdatomic.h>

#define SAMPLE_THINNED_MAX 20u

extern bool sample_on HIDDEN;   /* lists are drawn */
extern bool sample_none HIDDEN; /* so that nothing is, from here on */

/* The parts of sample_numbers; `thinned` as it was when somebody looked last. */
extern _Atomic uint32_t sample_thinned HIDDEN, sample_most_thinned HIDDEN;
extern _Atomic uint64_t sample_taken HIDDEN, sample_lost HIDDEN;

/* Draws of before are not to be relied upon: every list is drawn again. */
void sample_change(void);
void sample_set_rate(uint64_t samples);

/* At start; or anew, by a test. */
void sample_start(const struct sample_wishes *wishes);

/* The list on `free` was drawn in this process; else it is to be drawn again. */
extern uint8_t sample_epoch HIDDEN;
ALWAYS_INLINE bool sample_is_stale(const struct slab *s) {
    return sample_on && s->drawn_in != sample_epoch;
}

/* The first place of `free` is marked. Where nothing is sampled no link has a mark, but one that was overwritten. */
ALWAYS_INLINE bool sample_is_due(const struct slab *s) {
    return sample_on && s->free != &slab_nil && link_is_marked(s->free);
}

/* How many places are put on `free` before the first one that is drawn; and from that one to the next. What is left at
 * the list's end is to be kept in `left`. */
uint64_t sample_begin(struct slab *s);
uint64_t sample_distance(const struct slab *s);

/* A slab is made. */
void sample_slab(struct slab *s);

/* Marks the places of `free` again, which are not on it for the first time. */
void sample_redraw(struct slab *s);

/* The first place of `free` is due: is it drawn as of now? Then by what. In any case its mark is drawn again. */
bool sample_take(struct slab *s, struct draw *draw);

/* What `thinned` was when somebody looked last; each LOOK_EVERYth time of a thread as of now. */
#define SAMPLE_LOOK_EVERY 64
void sample_look(void);
ALWAYS_INLINE uint32_t sample_thinned_lately(void) {
    uint32_t thinned = atomic_load_explicit(&sample_thinned, memory_order_relaxed);
    if (likely(thinned == 0) || likely(++tls.draws % SAMPLE_LOOK_EVERY != 0)) return thinned;
    sample_look();
    return atomic_load_explicit(&sample_thinned, memory_order_relaxed);
}

/* A run of n bytes, below RUN_HIGH: what it takes of the thread's distance (tls.run_distance) where that does not reach
 * its end; 0: it does, or has to be drawn, which a slow path is to do. */
extern uint64_t sample_run_exponents[(RUN_HIGH >> SLICE_SHIFT) + 1] HIDDEN; /* x at thinned 0, by slices */
ALWAYS_INLINE uint64_t sample_passes_run(size_t n) {
    uint64_t x = sample_run_exponents[(n + SLICE - 1) >> SLICE_SHIFT] >> sample_thinned_lately();
    return tls.run_distance > x && tls.random_process == heap_process() ? x : 0;
}
bool sample_take_run(size_t n, struct draw *draw);

/* In a child of fork: its draws are not its parent's. */
void sample_forked(void);

#endif
