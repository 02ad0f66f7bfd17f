/* How thread-local storage is laid out. A variable of what was loaded at start lies as far below libc's control block
 * in each thread (ELF's variant II), which tells its module. */
#ifndef WEIR_BOX_STORAGE_H
#define WEIR_BOX_STORAGE_H

#include "shim/base/base.h"
#include "shim/box/format_core.h"

extern struct core_storage storage[CORE_STORAGE_MOST] HIDDEN; /* of modules that have some */
extern size_t storage_count HIDDEN;
extern size_t storage_stacks_below HIDDEN; /* where tls.signals_stacks lies */

/* Once, from the constructor, since the loader is asked. */
void storage_start(void);

#endif
