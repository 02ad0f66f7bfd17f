/* Runs of up to 1 MiB that a thread keeps when it gives them back: its next one of about that size takes no lock,
 * writes no descriptor and faults no page in. They are charged as what is retained always is, and go back when they
 * have not been used for 100 to 150 ms, when their thread ends, and at the ceiling.
 *
 * They are their owner's alone, without atomic instructions, yet others can have them while the owner is elsewhere:
 *
 *   the owner: busy = 1; if seized: hands off; else use them; busy = 0          (between arena_enter and arena_leave)
 *   another:   seized = its process; a barrier in every thread; if busy: hands off; else use them; seized = 0
 *
 * The barrier is membarrier(2)'s: whoever came before it is seen to be busy, whoever comes after it sees `seized`.
 * Where the kernel has none, nothing is kept. A fork may leave `seized` behind: it holds for its own process only. */
#ifndef WEIR_ARENA_KEPT_H
#define WEIR_ARENA_KEPT_H

#include "shim/arena/layout.h"

/* Once, at start; false: nothing will be kept. */
bool kept_start(void);

/* How many slices a run of so many gets: a few sizes serve all that can be kept. */
size_t kept_round(size_t slices);

/* A run of just so many slices; its descriptors are those of the run that it was. NULL: none. */
struct slab *kept_take(struct heap *h, size_t slices);

/* False: it was not kept. */
bool kept_put(struct heap *h, struct slab *s);

/* By the owner: all of them go. */
void kept_give_back(struct heap *h);

/* The same where the heap was being changed and will be nobody's. */
void kept_give_up(struct heap *h);

/* Any heap keeps some. */
bool kept_any(void);

/* What this thread and others keep: all, or what was put there before the period that ends now. True: something went.
 */
bool kept_seize(bool all);

#endif
