/* Where weir's tables lie in a core: the beacon (shim/box/format_core.h), and what it leads to. */
#ifndef WEIR_LOAD_CORE_TABLES_H
#define WEIR_LOAD_CORE_TABLES_H

#include "reporter/load/core/image.h"
#include "shim/box/format_core.h"

struct core_tables {
    struct core_beacon beacon;
    struct core_arena arena;
    struct core_stacks stacks;
    struct core_modules modules;
    struct core_state state;
    struct core_process process;
    struct core_ceiling ceiling;
    struct core_counters counters;
    struct core_search search;
    struct core_records records;
    struct core_hints hints;
    struct core_pools pools;
    struct core_totals totals;
};

/* NULL, or why there are none that can be read. Strides and offsets are sound then. */
const char *core_find_tables(struct core *core, struct core_tables *tables);

#endif
