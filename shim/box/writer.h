/* Writing a dump's bytes: buffered, section by section, each with its length and CRC-32C. Raw system calls only. */
#ifndef WEIR_BOX_WRITER_H
#define WEIR_BOX_WRITER_H

#include "shim/box/format.h"
#include "shim/base/base.h"

#define WRITER_BUFFER (128 * KIB)

struct writer {
    int fd;
    int error;        /* errno of the first write that failed, 0: none did */
    uint64_t flushed; /* bytes written to the file */
    size_t filled;    /* bytes waiting in the buffer */
    uint64_t section; /* where the open section's header lies in the file */
    struct dump_section head;
    uint32_t sections;
    char *buffer; /* WRITER_BUFFER bytes */
};

void writer_start(struct writer *w, int fd, char *buffer);
void writer_begin(struct writer *w, enum dump_section_type type, uint32_t stride);
void writer_add(struct writer *w, const void *bytes, size_t n);
void writer_end(struct writer *w);

/* Ends the file: DUMP_END, then the header with what is known by now. */
void writer_finish(struct writer *w, struct dump_header *header);

#endif
