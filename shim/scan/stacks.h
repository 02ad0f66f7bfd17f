/* What of a stack is not in use: words below its stack pointer are left-overs, which would hide what is leaked. */
#ifndef WEIR_SCAN_STACKS_H
#define WEIR_SCAN_STACKS_H

#include "shim/base/base.h"
#include "shim/base/mapping.h"

/* Once, before the others: what the calling thread is on, whose stack pointer is given. */
void stacks_begin(uintptr_t mine);

/* That thread, as if it were held: without a context. In a copy of the process its id is the copy's. */
struct parked;
const struct parked *stacks_own(void);

/* Where what is in use begins in the mapping; its start where nothing is known to be out of use. */
uintptr_t stacks_lowest(const struct mapping *m, const char *name);

/* Where the first part of [from, end) of the mapping ends that is a module's data or a thread's stack, or its storage;
 * or that is none of these. The lowest address counts as given by stacks_lowest. */
uintptr_t stacks_and_data_end(const struct mapping *m, const char *name, uintptr_t from, uintptr_t end, bool *is);

#endif
