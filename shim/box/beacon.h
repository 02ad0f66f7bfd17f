/* What a core tells of this process; format_core.h has what a reader finds. */
#ifndef WEIR_BOX_BEACON_H
#define WEIR_BOX_BEACON_H

#include "shim/box/format_core.h"

/* Parts, each defined beside the variables that it names. */
extern const struct core_stacks core_stacks;
extern const struct core_modules core_modules;
extern const struct core_state core_state;
extern const struct core_process core_process;
extern const struct core_ignored core_ignored;
extern const struct core_records core_records;
extern const struct core_hints core_hints;
extern const struct core_pools core_pools;
extern const struct core_totals core_totals;

extern struct core_misuse core_misuse; /* written before weir ends the program for it */

#define CORE_ADDRESS(variable) ((uint64_t)(uintptr_t) & (variable))

#endif
