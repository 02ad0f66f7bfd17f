/* Function names as people write them: C++, Rust (both schemes) and D. */
#ifndef WEIR_SYMBOLS_DEMANGLE_H
#define WEIR_SYMBOLS_DEMANGLE_H

#include <stdbool.h>

/* A new string; a name that is not mangled comes back as it is. Brief: without parameters and return type. */
char *demangle(const char *mangled, bool brief);

#endif
