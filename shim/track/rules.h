/* From a code address to how its frame is stepped over, derived once from call frame information and remembered. */
#ifndef WEIR_TRACK_RULES_H
#define WEIR_TRACK_RULES_H

#include "shim/track/cfi.h"

struct known {
    uint64_t frame; /* as in DUMP_FRAMES */
    struct cfi_rule rule;
    bool own; /* code of libweir.so: not to be shown */
};

bool rules_start(void);

/* `exact`: the address is where an instruction was interrupted, not where a call returns to. */
struct known rule_of_code(uintptr_t code, bool exact);

#endif
