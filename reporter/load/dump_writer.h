/* Writing a dump of what is no dump, a box or a core, into a file that only a descriptor leads to. */
#ifndef WEIR_LOAD_DUMP_WRITER_H
#define WEIR_LOAD_DUMP_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/box/format.h"

struct dump_writer {
    int fd;      /* -1: there is no memory */
    uint64_t at; /* bytes written */
    uint32_t sections;
    bool failed;
    struct dump_section head; /* of the section that is being written */
    uint64_t head_at;
    size_t held; /* bytes of `buffer` */
    char buffer[1 << 16];
};

void dump_writer_begin(struct dump_writer *w, const char *name);

/* A section at once; nothing where it is empty. */
void dump_writer_section(struct dump_writer *w, uint32_t type, size_t stride, const void *records, size_t count);

/* The same a record after the other; a section that gets none is there all the same. */
void dump_writer_open(struct dump_writer *w, uint32_t type, size_t stride);
void dump_writer_add(struct dump_writer *w, const void *record);
void dump_writer_close(struct dump_writer *w);

/* The end, and the header. The descriptor, which is the caller's, and the file's size; -1: there was no memory. */
int dump_writer_finish(struct dump_writer *w, const struct dump_process *process, uint64_t *size);

#endif
