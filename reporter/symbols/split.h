/* Split debug information (-gsplit-dwarf): the program has a skeleton of each unit, with its addresses and lines; its
 * functions, inlined calls and names lie in a file beside the object (.dwo), or in a package of all of them (.dwp).
 *
 * libdw would open files by the names that it finds, and knows no packages. So the files are opened here, as all others
 * are, and libdw is given an ELF file in memory that has just one unit's sections.
 */
#ifndef WEIR_SYMBOLS_SPLIT_H
#define WEIR_SYMBOLS_SPLIT_H

#include "reporter/symbols/files.h"
#include "reporter/symbols/ranges.h"

struct splits { /* of one module */
    const struct module_files *files;
    const struct symbol_options *options;
    bool looked; /* for the package */
    struct object package;
    char *bad;                /* a package that is there and cannot be read; NULL: none */
    struct bytes index;       /* of the package's units */
    struct bytes sections[8]; /* of all of them */
};

struct split {          /* of one unit */
    struct object file; /* its own; none where it lies in the package */
    unsigned char *image;
    Elf *elf;
    Dwarf *dwarf;
    Dwarf_Die die; /* the unit's first entry */
    uint64_t size; /* bytes of debug information */
    struct ranges_unit ranges;
};

/* Whether this first entry of a unit is a skeleton's. */
bool split_is_skeleton(Dwarf_Die *first);

/* NULL: it is open; `ranges` are the skeleton's. Else why it is not there, to be freed, and nothing is to be closed. */
char *split_open(struct split *split, struct splits *splits, Dwarf_Die *skeleton, const struct ranges_unit *ranges);
void split_close(struct split *split);
void splits_close(struct splits *splits);

#endif
