/* Signals of the calling thread, held and let go of. */
#ifndef WEIR_BASE_SIGNALS_H
#define WEIR_BASE_SIGNALS_H

#include "shim/base/base.h"

/* Holds all but what is the thread's own fault. *before is the mask that was. False: the kernel or a filter refuses. */
bool signals_hold(uint64_t *before);
void signals_set(uint64_t mask);

#endif
