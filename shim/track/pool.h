/* Parts of tracked blocks that pools of the program's give out. */
#ifndef WEIR_TRACK_POOL_H
#define WEIR_TRACK_POOL_H

#include "shim/box/pools.h"

/* Nothing where the bytes lie in the arena, and not in one tracked block. `frame` is the entry's. Any thread, any
 * moment; only where pools_on. */
void pool_give_out(const void *p, size_t n, const void *frame);
void pool_take_back(const void *p);

#endif
