/* Buffered sections; see writer.h. CRC-32C is Castagnoli's polynomial, reflected: 0x82f63b78 (RFC 3720, appendix B.4).
 */
#include "shim/box/writer.h"
#include "shim/base/sys.h"

static uint32_t crc_table[8][256];

/* For each dump anew: a copy of the process may have been made while it was half done. */
static void make_crc_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = c >> 1 ^ (c & 1 ? 0x82f63b78u : 0);
        crc_table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++)
            crc_table[k][i] = crc_table[k - 1][i] >> 8 ^ crc_table[0][crc_table[k - 1][i] & 0xff];
}

static uint32_t crc_add(uint32_t crc, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        mem_copy(&word, p, 8);
        word ^= crc;
        crc = 0;
        for (int k = 0; k < 8; k++) crc ^= crc_table[7 - k][word >> (8 * k) & 0xff];
    }
    for (; n > 0; n--) crc = crc >> 8 ^ crc_table[0][(crc ^ *p++) & 0xff];
    return ~crc;
}

static void write_all(struct writer *w, const char *p, size_t n, uint64_t at) {
    while (n > 0 && w->error == 0) {
        long done = sys4(SYS_pwrite64, w->fd, (long)p, (long)n, (long)at);
        if (done == -4 /* EINTR */) continue;
        if (done <= 0) {
            w->error = done == 0 ? 28 /* ENOSPC */ : (int)-done;
            return;
        }
        p += done, n -= (size_t)done, at += (uint64_t)done;
    }
}

static void flush(struct writer *w) {
    write_all(w, w->buffer, w->filled, w->flushed);
    w->flushed += w->filled;
    w->filled = 0;
}

static void put(struct writer *w, const void *bytes, size_t n) {
    const char *p = bytes;
    while (n > 0) {
        if (w->filled == WRITER_BUFFER) flush(w);
        size_t part = min_size(n, WRITER_BUFFER - w->filled);
        mem_copy(w->buffer + w->filled, p, part);
        w->filled += part, p += part, n -= part;
    }
}

/* Writes over what was put before, in the buffer or in the file. */
static void patch(struct writer *w, uint64_t at, const void *bytes, size_t n) {
    if (at < w->flushed) {
        flush(w);
        write_all(w, bytes, n, at);
    } else {
        mem_copy(w->buffer + (at - w->flushed), bytes, n);
    }
}

void writer_start(struct writer *w, int fd, char *buffer) {
    struct dump_header header = {0};
    make_crc_table();
    *w = (struct writer){.fd = fd, .buffer = buffer};
    put(w, &header, sizeof header);
}

void writer_begin(struct writer *w, enum dump_section_type type, uint32_t stride) {
    w->section = w->flushed + w->filled;
    w->head = (struct dump_section){.type = type, .stride = stride};
    put(w, &w->head, sizeof w->head);
}

void writer_add(struct writer *w, const void *bytes, size_t n) {
    w->head.length += n;
    w->head.crc = crc_add(w->head.crc, bytes, n);
    put(w, bytes, n);
}

void writer_end(struct writer *w) {
    static const char zeroes[8];
    w->head.header_crc = crc_add(0, &w->head, offsetof(struct dump_section, header_crc));
    patch(w, w->section, &w->head, sizeof w->head);
    put(w, zeroes, (size_t)(-w->head.length & 7));
    w->sections++;
}

void writer_finish(struct writer *w, struct dump_header *header) {
    writer_begin(w, DUMP_END, 0);
    writer_end(w);
    mem_copy(header->magic, DUMP_MAGIC, sizeof header->magic);
    header->version = DUMP_VERSION;
    header->header_size = sizeof *header;
    header->file_size = w->flushed + w->filled;
    header->sections = w->sections;
    header->crc = crc_add(0, header, offsetof(struct dump_header, crc));
    patch(w, 0, header, sizeof *header);
    flush(w);
}
