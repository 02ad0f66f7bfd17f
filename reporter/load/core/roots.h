/* The roots in a core: all memory that is neither the arena nor weir's, and may hold a pointer that the program put
 * there; of a stack what is in use; registers. */
#ifndef WEIR_LOAD_CORE_ROOTS_H
#define WEIR_LOAD_CORE_ROOTS_H

#include "reporter/load/core/mark.h"

/* Marks what they lead to, and notes what the core lacks of them. */
void roots_mark(struct making *m, struct mark *mark);

#endif
