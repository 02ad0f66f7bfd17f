/* What a walk over all places finds written over; it is added to the blocks that are told of (near.h). */
#ifndef WEIR_LOAD_CORE_DAMAGE_H
#define WEIR_LOAD_CORE_DAMAGE_H

#include "reporter/load/core/walk.h"

/* Behind the end of a live block. */
void damage_look_behind(struct making *m, const struct core_side *side, uint64_t address, uint64_t place);

/* In the free places of a slab, and in its entries; NULL: it has none. */
void damage_look_at_slab(struct making *m, const struct span *s, const struct core_side *entries);

#endif
