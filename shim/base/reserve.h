/* Address space that nobody can touch yet: the arena and all tables begin as that, and are opened as they grow. Which
 * it is, is remembered, since the kernel takes it for memory of the program's where that locks all it has (mlockall).
 */
#ifndef WEIR_BASE_RESERVE_H
#define WEIR_BASE_RESERVE_H

#include "shim/base/base.h"

/* This library's first and last byte: the linker's. It is not reserved, but weir's own, too. */
extern const char __ehdr_start[] HIDDEN, _end[] HIDDEN;

/* NULL where the kernel refuses. gdb's gcore would write it out, all of it, but for MADV_DONTDUMP. */
void *sys_reserve(size_t n, int flags);

/* Makes reserved memory usable. */
bool sys_open_reserved(void *p, size_t n);

/* Of what was reserved at `p`, only [start, start + n) stays. */
void sys_trim_reserved(char *p, size_t size, char *start, size_t n);

bool reserve_overlaps(uintptr_t address, size_t n);
bool reserve_contains(uintptr_t address);

/* Of [from, end), the first part that is reserved, or that is not: where it ends, at most `end`. */
uintptr_t reserve_part_end(uintptr_t from, uintptr_t end, bool *reserved);
size_t reserve_total(void);

/* Where it stands what is reserved, for the reader of a core (box/beacon.c): start and end of each range, a word each,
 * how many can be noted, and how many were, a number of 4 bytes. */
struct reserve_places {
    uint64_t ranges, most, at_used;
};
extern const struct reserve_places reserve_places HIDDEN;

/* The program wants what it gets from now on to be locked. What is opened then is locked as it is touched: not all at
 * once, which would make 32 MiB and their entries resident for the first block. */
extern bool reserve_locks HIDDEN;

/* With reserve_locks: a limit counts (RLIMIT_MEMLOCK), and the kernel counts address space for it. Of the arena then
 * just what is charged is locked, when it is, and nothing of the tables. */
extern bool reserve_locks_charged HIDDEN;

/* Locks a range as it is touched. */
bool sys_lock_touched(void *p, size_t n);

#endif
