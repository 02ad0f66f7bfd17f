/* Roots: all memory of the process that is neither the arena nor weir's, as far as it can be read and may hold a
 * pointer that the program put there; of a stack what is in use. */
#ifndef WEIR_SCAN_ROOTS_H
#define WEIR_SCAN_ROOTS_H

#include "shim/base/base.h"

/* The caller's stack is in use from `stack` on upwards. What the roots lead to is marked as reached. Bytes read; 0: the
 * address space is not told, or cannot be read. Where some of it could not be, nothing is certain. */
uint64_t roots_mark(uintptr_t stack, bool *certain);

#endif
