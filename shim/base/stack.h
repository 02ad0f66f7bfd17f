/* A stack of one's own, for work that may be begun on a signal handler's alternate stack of 8 KiB. */
#ifndef WEIR_BASE_STACK_H
#define WEIR_BASE_STACK_H

#include "shim/base/base.h"

/* Calls f(argument) on a stack of 128 KiB that lies in the library, so that no address space is asked for: for whoever
 * writes a dump, of whom there is one at a time. Called on it already, f goes on there. */
void stack_call(void (*f)(void *), void *argument);

#endif
