/* Delayed reuse (WEIR_HARDEN): what is given back waits behind what is given back after it. A place keeps its pattern
 * meanwhile, a run loses its memory and cannot be touched. Any thread, any time between arena_enter and arena_leave:
 * tables of exchanged pointers, so there is nothing to wait for, and a fork loses one block at most. */
#ifndef WEIR_ARENA_DELAY_H
#define WEIR_ARENA_DELAY_H

#include "shim/arena/layout.h"

#define DELAY_SMALL 1024 /* places of up to 1 KiB that wait, in the whole process */
#define DELAY_LARGE 64   /* larger ones: 4 MiB at most */
#define DELAY_RUNS  256

void delay_start(void);

/* What is to be given back now: p itself where nothing is delayed, the one that has waited longest, or NULL. */
char *delay_place(char *p, size_t size);
struct slab *delay_run(struct slab *s);

/* One that waits, which ends it; NULL: none does. */
char *delay_end_place(void);
struct slab *delay_end_run(void);

/* Each place that waits, in no order. */
void delay_each_place(void (*look)(const void *p));

#endif
