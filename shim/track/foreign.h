/* Pointers of another allocator: libc's own, which libraries bound past weir (RTLD_DEEPBIND, a second namespace) hand
 * out. Those of its main arena are told by the program break, which weir never moves. */
#ifndef WEIR_TRACK_FOREIGN_H
#define WEIR_TRACK_FOREIGN_H

#include "shim/base/base.h"

/* Finds libc's functions behind weir's. From the constructor only: dlsym may allocate. */
void foreign_start(void);

bool foreign_is_libcs(const void *p);
void foreign_free(void *p);
size_t foreign_usable_size(const void *p);

#endif
