/* A dump while the program goes on: a copy of the process writes it. */
#ifndef WEIR_BOX_SNAPSHOT_H
#define WEIR_BOX_SNAPSHOT_H

#include "shim/base/base.h"

/* Takes the dump signal where it is at its default, and dumps at the ceiling, as WEIR_DUMP_AT says. From the
 * constructor. */
/* `wake` is called first: a child of fork may be asked before it has called anything else of weir's. */
void snapshot_start(void (*wake)(void));

#endif
