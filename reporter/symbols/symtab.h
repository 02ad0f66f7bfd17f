/* The functions of an ELF symbol table, by address: names for code without debug information. */
#ifndef WEIR_SYMBOLS_SYMTAB_H
#define WEIR_SYMBOLS_SYMTAB_H

#include "reporter/symbols/object.h"

struct symtab_entry {
    uint64_t address, size;
    const char *mangled;    /* belongs to the Elf */
    char *function, *brief; /* demangled on first use */
};

struct symtab {
    struct symtab_entry *entries;
    size_t count, capacity;
    bool full; /* from .symtab, not only what is exported */
};

/* Adds the file's functions: those of .symtab, else the exported ones. */
void symtab_read(struct symtab *symtab, const struct object *object);
struct symtab_entry *symtab_at(struct symtab *symtab, uint64_t address); /* NULL: none covers it */
void symtab_free(struct symtab *symtab);

#endif
