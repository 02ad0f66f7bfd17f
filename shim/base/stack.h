/* A stack of one's own, for work that may be begun on a signal handler's alternate stack of 8 KiB. */
#ifndef WEIR_BASE_STACK_H
#define WEIR_BASE_STACK_H

#include "shim/base/base.h"

/* Calls f(argument) on a fresh stack of 128 KiB, or on this one where the kernel gives none. */
void stack_call(void (*f)(void *), void *argument);

#endif
