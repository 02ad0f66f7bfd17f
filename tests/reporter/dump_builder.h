/* Building valid dumps by hand, for tests of the reporter: sections are filled record by record and written with right
 * lengths and checksums. What a test breaks, it breaks afterwards, or with builder_set before. */
#ifndef WEIR_TESTS_DUMP_BUILDER_H
#define WEIR_TESTS_DUMP_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/box/format.h"

#define BUILDER_SECTIONS 46

struct buffer {
    char *bytes;
    size_t length, capacity;
};

struct builder {
    struct dump_process process;
    struct buffer sections[BUILDER_SECTIONS]; /* by type */
    bool omitted[BUILDER_SECTIONS];
    uint32_t extra_stride; /* bytes that a later version might have appended to each record */
    bool no_end;
};

void builder_init(struct builder *builder);
void builder_free(struct builder *builder);
struct dump_string builder_string(struct builder *builder, const void *bytes, size_t length);
size_t builder_add(struct builder *builder, uint32_t type, const void *record, size_t size); /* its index */
size_t builder_count(const struct builder *builder, uint32_t type);
size_t builder_stack(struct builder *builder, const uint64_t *frames, size_t count, uint64_t exact);
void builder_stat(struct builder *builder, uint32_t id, uint64_t value);

/* A module with the segments and the build-id of a real ELF file, or of none where it cannot be read. */
size_t builder_module(struct builder *builder, const char *path, const char *file, uint32_t flags);

/* Overwrites bytes of a record, before checksums are computed. */
void builder_set(struct builder *builder, uint32_t type, size_t record, size_t offset, uint64_t value, size_t size);

size_t builder_record_size(uint32_t type);
char *builder_finish(struct builder *builder, size_t *length); /* the whole dump; freed by the caller */

#endif
