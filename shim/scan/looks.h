/* What a search of a program that goes on has found that nothing led to, kept for the next one: leaked is what two
 * searches have found so, with the same content, some time apart. Somebody may have had a pointer where none is looked
 * for, in a file or in a form that is none; who still has it then uses the block in between, or keeps it from changing
 * for longer than anybody waits.
 *
 * Searches are made by copies of the process, so this lies in shared memory: a number for each block that was not
 * reached, two lists of them, of which the older one is written over. A child of fork has its own. What is in the list
 * is only compared; a list that is torn, since its writer was killed, makes blocks "maybe". */
#ifndef WEIR_SCAN_LOOKS_H
#define WEIR_SCAN_LOOKS_H

#include "shim/base/base.h"

#define LOOKS_APART                                                                                                    \
    200000000             /* ns that two searches are apart at least, for the second to be compared with the first */
#define LOOKS_MAX 1048576 /* blocks of a search that are kept; the others stay "maybe" */

/* In the process, before a copy of it is made. False: there is no memory for it. */
bool looks_begin(void);

/* How long the process has stood still, ns: told by itself, and read by the copy. */
void looks_set_pause(uint64_t pause);
uint64_t looks_pause(void);

/* In the copy: the age of the search that this one can be compared with, ns; 0: there is none, and nothing is
 * compared. `certain`: of this one all is known, so that it is kept. */
uint64_t looks_open(bool certain);

/* For each block that is not reached, by ascending address: keeps it, and tells whether the other search has found the
 * same. `sum`: of its content and of what else tells it from another one. */
bool looks_keep(uintptr_t start, uint32_t sum);

/* Of a block's content, and what else tells it from another one at its place: when it was made and where, its size. */
uint32_t looks_sum(const char *start, size_t size);

/* Two searches as far apart as COLLECT_APART have not reached it. */
void looks_lose(uintptr_t start, uint32_t sum);
/* In the process: what the last search that came to its end has lost. */
void looks_each_lost(void (*see)(void *context, char *start, uint32_t sum), void *context);

/* This search is the one for the next to be compared with. */
void looks_close(void);

#endif
