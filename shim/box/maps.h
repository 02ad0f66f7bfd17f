/* What /proc/self/maps says: which file is mapped where. */
#ifndef WEIR_BOX_MAPS_H
#define WEIR_BOX_MAPS_H

#include "shim/base/base.h"

/* The path of the file that is mapped at the address, terminated. False: there is none, or it is not told. One thread
 * at a time. */
bool maps_path(uintptr_t address, char *path, size_t size);

#endif
