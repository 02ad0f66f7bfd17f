/* What shmdt takes away: of a segment that is attached at an address, the mappings that lie as far from there as in the
 * segment. Others may have been mapped in between since, some unmapped, some split. */
#ifndef WEIR_CEILING_ATTACHED_H
#define WEIR_CEILING_ATTACHED_H

#include "shim/base/base.h"

#define ATTACHED_PIECES 64

struct attached {
    struct {
        uintptr_t from, end;
    } pieces[ATTACHED_PIECES]; /* in the order of addresses */
    size_t count;
};

/* Before the call: what may be of the segment. Segments of others that begin further up may be among it. */
void attached_find(struct attached *a, uintptr_t at);

/* After it: those where nothing is any more. */
void attached_each_gone(const struct attached *a, void (*see)(uintptr_t from, size_t n));

#endif
