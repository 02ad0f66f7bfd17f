/* The program's own mappings, as they pass through libc's functions: charged where they are private, anonymous and
 * writable, refused where that would pass the ceiling, and kept in the map of pages (ceiling/pages.h). What the kernel
 * answers, with its errno, is what the program gets. Order: charge, map, set; clear, unmap, give. Nothing is locked,
 * and any of this may be interrupted by a handler that does the same.
 *
 * What does not pass through here (the loader's mappings, stacks that libc maps, system calls made by hand) is in no
 * count; a call about its pages that does pass through brings them in line. */
#ifndef WEIR_CEILING_MAPPINGS_H
#define WEIR_CEILING_MAPPINGS_H

#include "shim/base/base.h"

#include <stdatomic.h>

/* Once. False: there is no address space for the map, and nothing is followed. */
bool mappings_start(void);

/* As the functions of libc; -1, also for an address, with errno set. `frame`: of the entry, so that it is known who
 * called it; NULL: nobody is. */
void *mappings_map(void *at, size_t n, int protection, int flags, int fd, long offset, const void *frame);
int mappings_unmap(void *at, size_t n);
void *mappings_remap(void *at, size_t from, size_t to, int flags, void *target, const void *frame);
/* `key`: of pkey_mprotect; -1: mprotect. */
int mappings_protect(void *at, size_t n, int protection, int key, const void *frame);
int mappings_brk(void *end, const void *frame);
void *mappings_sbrk(long change, const void *frame);
void *mappings_attach(int id, const void *at, int flags);
int mappings_detach(const void *at);

/* How often memory may have become unreadable that was not, by what passed here. */
extern _Atomic uint32_t mappings_gone HIDDEN;

struct mappings_numbers {
    size_t count, charged;                          /* spans of pages that are charged, their bytes */
    size_t reserved;                                /* bytes that are private and anonymous, but not writable */
    size_t mapped_count, mapped_bytes, mapped_peak; /* files and shared memory */
};
struct mappings_numbers mappings_numbers(void);

#endif
