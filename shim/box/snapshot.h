/* A dump while the program goes on: a copy of the process writes it. */
#ifndef WEIR_BOX_SNAPSHOT_H
#define WEIR_BOX_SNAPSHOT_H

#include "shim/base/base.h"

/* Takes the dump signal where it is at its default. From the constructor. */
void snapshot_start(void);

#endif
