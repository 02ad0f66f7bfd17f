/* The list of blocks that are told of beside the threads (DUMP_NEARS). */
#ifndef WEIR_LOAD_CORE_NEAR_H
#define WEIR_LOAD_CORE_NEAR_H

#include "reporter/load/core/making.h"

/* All but `word` and `what`, by the block's entry. False: there is none, nor was one. */
bool near_fill(struct making *m, const struct core_side *side, uint64_t start, uint64_t place, struct dump_near *near);
void near_add(struct making *m, const struct dump_near *near);

#endif
