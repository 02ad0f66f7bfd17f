/* Finding a function by name in one loaded module: no lock, no allocation, and no interposer in between. */
#ifndef WEIR_BASE_SYMBOLS_H
#define WEIR_BASE_SYMBOLS_H

#include "shim/base/base.h"

#include <link.h>

/* The function, or NULL: the module does not define it. `bias` is the module's load bias. */
void *symbol_find(uintptr_t bias, const ElfW(Dyn) * dynamic, const char *name);

#endif
