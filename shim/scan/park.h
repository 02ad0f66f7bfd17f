/* Holding the program's other threads at its end, so that what they point to can be seen: each is sent the dump signal,
 * whose frame holds its registers, and waits in the handler until the process is gone. */
#ifndef WEIR_SCAN_PARK_H
#define WEIR_SCAN_PARK_H

#include "shim/base/base.h"

#define PARK_MAX  4096      /* threads that can be held */
#define PARK_TIME 100000000 /* ns that they are waited for, at most */

struct parked {
    uint32_t thread;
    bool elsewhere;    /* it is on a stack for signals */
    uintptr_t stack;   /* what is in use of it lies from here on upwards */
    uintptr_t context; /* of the signal: its registers, maybe on another stack */
    uintptr_t block;   /* libc's control block of the thread, at the top of the stack that it was started with */
};

/* Once. */
void park_start(void);

/* Holds all threads but the caller's. How many could not be: they block the signal, there are too many, or the program
 * has taken the signal for itself. Nobody goes on after this. */
uint32_t park_others(void);

const struct parked *park_list(uint32_t *count);

#endif
