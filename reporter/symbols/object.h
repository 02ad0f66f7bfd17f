/* The files that a module's names come from: the code itself, its separate debug file, and the file that dwz moved
 * common parts into. Every one is a regular file whose build-id is the wanted one.
 */
#ifndef WEIR_SYMBOLS_OBJECT_H
#define WEIR_SYMBOLS_OBJECT_H

#include <elfutils/libdw.h>
#include <gelf.h>
#include <libelf.h>

#include "reporter/symbols/symbols.h"

struct build_id {
    const void *bytes;
    size_t length;
};

struct object {
    int fd;
    Elf *elf; /* NULL: there is none */
    char *path;
};

struct module_files {
    struct object code, debug; /* debug.elf is NULL where the code carries its own */
    const char *why;           /* what is missing, NULL: nothing */
};

void module_find(struct module_files *files, const struct merged_module *module, const struct symbol_options *options);
void module_close(struct module_files *files);

bool object_open(struct object *object, const char *path, struct build_id wanted, const char **why);
void object_close(struct object *object);
bool object_has(const struct object *object, const char *section);

/* A section's bytes, as they are by now; NULL: there are none. */
const void *object_section(const struct object *object, const char *name, size_t *size);

/* The dwz file that a debug file refers to; false: it refers to one that is not to be had. */
bool object_find_alt(struct object *alt, Dwarf *dwarf, const struct object *debug,
                     const struct symbol_options *options);

#endif
