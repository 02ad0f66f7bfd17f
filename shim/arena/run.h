/* Runs: blocks of whole slices, from just above the slab classes up to anything. Inside the arena only. */
#ifndef WEIR_ARENA_RUN_H
#define WEIR_ARENA_RUN_H

#include "shim/arena/layout.h"

void *run_take(size_t n, size_t alignment, bool zero);
void run_give(struct slab *s);

/* One that the thread keeps, see kept.h; NULL: none. */
void *run_take_kept(size_t n, bool zero);

/* A block of no bytes that nobody can touch; NULL also where there are NOTHINGS_MAX of them already: each costs the
 * kernel three mappings of the 65,530 (vm.max_map_count) that a process has. */
#define NOTHINGS_MAX 1024
struct slab *run_take_nothing(size_t alignment);

/* The same from the spans set aside for signal handlers; without locks, always zero. */
void *run_take_in_emergency(size_t n, size_t alignment);

/* Makes it hold n bytes (above CLASS_MAX), where it is or by moving its pages. NULL: it can't, and nothing changed. */
void *run_resize(struct slab *s, size_t n);

/* For a signal handler, which must not take locks: the run is given back by the next slow path of any thread. */
void run_give_later(struct slab *s);
void run_give_late_ones(void);

#endif
