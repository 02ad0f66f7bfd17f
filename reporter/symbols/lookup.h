/* Looking an address up in a module's files: debug information first, then the symbol table. This is where libdw reads
 * files that a dump named, and where it may crash on crafted ones: so it runs in a process of its own (worker.c). */
#ifndef WEIR_SYMBOLS_LOOKUP_H
#define WEIR_SYMBOLS_LOOKUP_H

#include "reporter/symbols/symbols.h"
#include "reporter/symbols/symtab.h"

#define LOOKUP_MAX_CHAIN 512 /* functions inlined into each other at one address */

struct lookup;

struct lookup_result {
    const char *why; /* of the module: why names are missing; NULL: they are not */
    bool has_names;  /* of the module */
    size_t count;
    struct symbol_frame frames[LOOKUP_MAX_CHAIN];
};

struct lookup *lookup_new(const struct merged *merged, const struct symbol_options *options);
void lookup_at(struct lookup *lookup, uint32_t module, uint64_t address, struct lookup_result *result);
void lookup_variable(struct lookup *lookup, uint32_t number, uint64_t address, enum symtab_kind kind,
                     struct lookup_result *result);
void lookup_free(struct lookup *lookup);

#endif
