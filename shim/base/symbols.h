/* A loaded module's own dynamic symbols, found by name: no lock, no allocation, and no interposer in between. */
#ifndef WEIR_BASE_SYMBOLS_H
#define WEIR_BASE_SYMBOLS_H

#include "shim/base/base.h"

#include <link.h>

/* What a module's dynamic section tells, all of it in the module's own memory. */
struct symbols {
    uintptr_t bias;
    const ElfW(Dyn) * dynamic;
    const ElfW(Sym) * table;
    const char *strings;
    const uint32_t *gnu, *sysv; /* hash tables, of which one is enough; NULL: it has none */
};

/* False: nobody could look anything up in it. The module lies at [start, end), `bias` is its load bias. */
bool symbols_of(struct symbols *s, uintptr_t bias, uintptr_t start, uintptr_t end, const ElfW(Dyn) * dynamic);
bool symbols_of_phdr(struct symbols *s, const struct dl_phdr_info *info);

/* The address of a function or object that the module defines, or NULL. */
void *symbol_find(const struct symbols *s, const char *name);

/* Whether the module wants it of another one. Linear. */
bool symbol_is_needed(const struct symbols *s, const char *name);

/* The name that others need it by, NULL: it has none. */
const char *symbols_soname(const struct symbols *s);
/* Whether it names that as needed. */
bool symbols_needs(const struct symbols *s, const char *soname);

#endif
