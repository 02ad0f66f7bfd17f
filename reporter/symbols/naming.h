/* What a site is called: its first frame that is neither an allocator's nor a runtime's.
 *
 * The rule, in this order, for each frame from the innermost:
 *   by module   libweir, the C library, the loader, the compilers' runtimes and the C++ standard libraries are never
 *               it: strdup, _IO_file_doallocate and operator new lie in these
 *   by name     those that skipped.c lists: the allocation functions of C, C++ and Rust, and the wrappers and
 *               runtimes that are met most; wherever they are defined. Also methods of Rust's primitive types, and
 *               what Node.js has in its own library
 *
 * A frame without a name is passed over where one of these has called it, in the same module: a stripped program's own
 * functions below PyMem_Malloc, the interpreted methods below a constructor of the JDK. Where every frame is one of
 * these, the innermost one is the name.
 */
#ifndef WEIR_SYMBOLS_NAMING_H
#define WEIR_SYMBOLS_NAMING_H

#include "reporter/symbols/symbols.h"

struct site_name {
    struct symbol_frame symbol;       /* function NULL: only module and offset are known */
    const struct merged_frame *frame; /* NULL: the site has no stack */
};

struct site_name naming_of(struct symbols *symbols, const struct merged *merged, const struct merged_site *site);

/* By module, as above: never one that names a site for what it is. */
bool naming_is_runtime(const struct merged_module *module);

/* The last part of a module's path; not terminated. */
struct text naming_module(const struct merged_module *module);

#endif
