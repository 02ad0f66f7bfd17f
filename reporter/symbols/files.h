/* Finding the files that a module's names come from: the code itself, its separate debug file, the symbol table inside
 * of the code (MiniDebugInfo), the file that dwz moved common parts into, and where split debug files may lie. */
#ifndef WEIR_SYMBOLS_FILES_H
#define WEIR_SYMBOLS_FILES_H

#include <elfutils/libdw.h>

#include "reporter/symbols/object.h"
#include "reporter/symbols/symbols.h"

struct module_files {
    struct object code, debug; /* debug.elf is NULL where the code carries its own */
    struct object mini;        /* from .gnu_debugdata, where there is no whole symbol table */
    const char *why;           /* what is missing, NULL: nothing */
};

void files_find(struct module_files *files, const struct merged_module *module, const struct symbol_options *options);
void files_close(struct module_files *files);

/* The file with the debug information; its elf is NULL where there is none. */
struct object *files_debug(struct module_files *files);

/* The dwz file that a debug file refers to. NULL: found, or it refers to none; else why it is not there, to be freed.
 */
char *files_find_alt(struct object *alt, Dwarf *dwarf, const struct object *debug,
                     const struct symbol_options *options);

/* Where the split debug file (.dwo) that a unit names may lie, most likely first; `folder` is the compiler's, NULL:
 * unknown. And where the package (.dwp) of all of them may. The list ends with NULL; all is to be freed. */
char **files_split_paths(const struct module_files *files, const struct symbol_options *options, const char *folder,
                         const char *name);
char **files_package_paths(const struct module_files *files, const struct symbol_options *options);
void files_free_paths(char **paths);

#endif
