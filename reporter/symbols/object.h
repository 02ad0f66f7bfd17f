/* One ELF file that names may come from, and the bytes of its sections, decompressed. Every one is a regular file whose
 * build-id is the wanted one, or lies inside of such a file.
 */
#ifndef WEIR_SYMBOLS_OBJECT_H
#define WEIR_SYMBOLS_OBJECT_H

#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    const void *at; /* NULL: there are none */
    size_t size;
};

struct build_id {
    const void *bytes;
    size_t length;
};

struct object {
    int fd;
    Elf *elf; /* NULL: there is none */
    char *path;
    unsigned char **unpacked; /* what was decompressed, and is Elf's to read */
    size_t unpacked_count, unpacked_capacity;
};

bool object_open(struct object *object, const char *path, struct build_id wanted, const char **why);
void object_close(struct object *object);
bool object_has(const struct object *object, const char *section);

/* The ELF file that lies, compressed by xz, in a section of this one. False: `why` says what is wrong with it. */
bool object_open_inner(struct object *inner, const struct object *object, const char *section, const char **why);

/* Decompresses what libelf cannot, before libdw reads the file. False: `why` says what is wrong. */
bool object_unpack(struct object *object, const char **why);

/* Why some of the debug information stays compressed, whoever tries; NULL: none does. To be called after libdw has
 * opened the file, which decompresses the rest in place. */
const char *object_unread(const struct object *object);

/* A section's bytes. */
struct bytes object_section(const struct object *object, const char *name);

/* Of all sections of this name, one after the other: an object file has one for each type that may be elsewhere too. */
struct bytes object_joined(struct object *object, const char *name);

/* Of .debug_NAME, or .zdebug_NAME. */
struct bytes object_debug(const struct object *object, const char *name);

/* Whether the last text in a section of texts has an end; libdw takes that for granted. */
bool bytes_end(struct bytes texts);
bool object_texts_end(const struct object *object);

#endif
