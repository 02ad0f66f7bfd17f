/* The functions of an ELF symbol table, by address: names for code without debug information; and its variables. */
#ifndef WEIR_SYMBOLS_SYMTAB_H
#define WEIR_SYMBOLS_SYMTAB_H

#include "reporter/symbols/object.h"

struct symtab_entry {
    uint64_t address, size;
    bool open;              /* it has no size of its own: it ends where the next one begins */
    const char *mangled;    /* belongs to the Elf */
    char *function, *brief; /* demangled on first use */
};

enum symtab_kind { SYMTAB_FUNCTIONS, SYMTAB_VARIABLES, SYMTAB_THREAD_LOCAL /* addresses are offsets into PT_TLS */ };

struct symtab {
    enum symtab_kind kind;
    struct symtab_entry *entries;
    size_t count, capacity;
    bool full;       /* from .symtab, not only what is exported */
    bool has_locals; /* of functions or files */
};

/* Adds the file's functions, or what the kind says: those of .symtab, else the exported ones. */
void symtab_read(struct symtab *symtab, const struct object *object);
struct symtab_entry *symtab_at(struct symtab *symtab, uint64_t address); /* NULL: none covers it */
void symtab_free(struct symtab *symtab);

#endif
