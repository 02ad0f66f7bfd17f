/* The whole name of a function of which the debug information has no linker name: static ones, those of anonymous
 * namespaces and of lambdas. It is put together from what the entry lies in. */
#ifndef WEIR_SYMBOLS_SCOPES_H
#define WEIR_SYMBOLS_SCOPES_H

#include <elfutils/libdw.h>

struct scopes; /* what lies in what, a unit at a time; begins as NULL */

/* shop::(anonymous namespace)::Cart<int>::fill, without parameters; to be freed. NULL: it has no name at all. */
char *scopes_name(struct scopes **scopes, Dwarf_Die *function);
void scopes_free(struct scopes *scopes);

#endif
