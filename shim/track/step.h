/* One step outwards on a stack, reading only memory that is known or has been probed to be mapped. */
#ifndef WEIR_TRACK_STEP_H
#define WEIR_TRACK_STEP_H

#include "shim/track/cfi.h"

struct walk {
    uintptr_t code, sp, bp;
    uintptr_t code_slot; /* where the last step read `code`; 0: the step depended on more than code_slot and bp_slot */
    uintptr_t bp_slot;   /* where it read `bp`; 0: bp was not changed */
    uintptr_t probed;    /* a page outside the thread's own stack that is known to be readable */
    bool exact, guessed;
};

/* Makes the thread's stack known to be mapped down to p. False: p is not on it. */
bool stack_extend_known(uintptr_t p);

/* False: there is no way on; w->code is 0 when that is because the outermost frame was reached. */
bool step_outwards(struct walk *w, struct cfi_rule rule);

#endif
