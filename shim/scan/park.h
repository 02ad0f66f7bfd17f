/* Holding the program's other threads, so that what they point to can be seen: each is sent the dump signal, whose
 * frame holds its registers, and waits in the handler until it is let go, or the process is gone. Nothing that only
 * this interrupted is seen to be (base/interrupted.h).
 *
 * Who may be where: a thread inside weir waits there too, with what it has locked; so whoever holds the others takes no
 * lock, and a copy of the process, whose locks are free, looks at memory in their stead. One thread holds at a time;
 * another one that wants to waits, and is held meanwhile. A child of fork has nobody held, whatever it finds here. */
#ifndef WEIR_SCAN_PARK_H
#define WEIR_SCAN_PARK_H

#include "shim/base/interrupted.h"

#define PARK_MAX  4096      /* threads that can be held */
#define PARK_TIME 100000000 /* ns that they are waited for, at most */

struct parked {
    uint32_t thread;
    bool elsewhere;          /* it is on a stack for signals */
    uintptr_t stack;         /* what is in use of it lies from here on upwards */
    uintptr_t context;       /* of the signal: its registers, maybe on another stack */
    uintptr_t signals_stack; /* of whom nobody has held: what sigaltstack was given; the context of others has theirs */
    uintptr_t block;         /* libc's control block of the thread, at the top of the stack that it was started with */
    _Atomic uint32_t hold;   /* by which it was held, written last */
};

/* Once. */
void park_start(void);

/* Holds all threads but the caller's. *not_held: how many could not be: they block the signal, there are too many, or
 * the program has taken the signal for itself. `context`: of the signal whose handler the caller is in, NULL: of none.
 * False: another thread holds all the time, and nothing is done. */
bool park_others(void *context, uint32_t *not_held);

/* The same thread lets go of them. */
void park_let_go(void);

/* From when on the program stands still, by the clock. */
uint64_t park_since(void);

/* Whether they are held just now: also in a copy that was made meanwhile. */
bool park_holds(void);

/* What the handler of the signal calls in a thread that is to be held: waits, if somebody still holds. True: `before`
 * tells in which call it was then. */
bool park_here(void *context, struct interrupted_call *before);

const struct parked *park_list(uint32_t *count);

#endif
