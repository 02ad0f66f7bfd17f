/* What libdw's entries say of themselves. A text inside of an entry may have no end in a damaged file, which libdw does
 * not look at. */
#ifndef WEIR_SYMBOLS_DIES_H
#define WEIR_SYMBOLS_DIES_H

#include <elfutils/libdw.h>

/* An attribute's text; NULL: it has none, or none that ends. It belongs to the Dwarf. */
const char *die_text(Dwarf_Die *die, unsigned name);

/* The same, also from the entries that this one was made from. */
const char *die_text_or_origins(Dwarf_Die *die, unsigned name);

int die_language(Dwarf_Die *first); /* of a unit, by its first entry; 0: unknown */

#endif
