/* Tables that grow: a reservation of address space with guard pages around it, made writable from its start as it
 * fills, and charged as it is. Never shrinks, never moves; fresh pages are zero. */
#ifndef WEIR_BASE_REGION_H
#define WEIR_BASE_REGION_H

#include "shim/base/base.h"

#include <stdatomic.h>

struct region {
    char *base;
    size_t size;              /* bytes reserved */
    _Atomic size_t committed; /* writable bytes from base on */
    bool greedy;              /* it would grow for ever, and is done without: see region_share */
};

extern _Atomic size_t region_total; /* bytes of all regions together */

/* Greedy ones do not grow any more where all together have so many bytes: half of the ceiling. Else what they take of a
 * program that is at it is not to be had again. */
extern _Atomic size_t region_share;

/* The address space that the process may have (RLIMIT_AS), SIZE_MAX: no limit. */
size_t region_address_limit(void);

/* Reserves, less than `size` where address space is limited. Readable from the start when `readable` (zeroes that cost
 * nothing). False: no address space. */
bool region_reserve(struct region *r, size_t size, bool readable);

/* Makes the first `upto` bytes writable. False: the ceiling or the kernel refuses. Any thread may call it. */
bool region_grow(struct region *r, size_t upto);
ALWAYS_INLINE bool region_commit(struct region *r, size_t upto) {
    return likely(upto <= atomic_load_explicit(&r->committed, memory_order_acquire)) || region_grow(r, upto);
}

/* All zeros again, and as much of it writable as before. */
void region_clear(struct region *r);

#endif
