/* See dump_writer.h. */
#include "reporter/load/dump_writer.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "reporter/load/crc32c.h"

void dump_writer_begin(struct dump_writer *w, const char *name) {
    w->fd = memfd_create(name, MFD_CLOEXEC);
    w->at = sizeof(struct dump_header);
    w->sections = 0;
    w->failed = w->fd < 0;
    w->held = 0;
}

static void put_at(struct dump_writer *w, const void *bytes, size_t length, uint64_t at) {
    const char *from = bytes;
    while (length && !w->failed) {
        ssize_t done = pwrite(w->fd, from, length, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        w->failed = done <= 0;
        if (w->failed) return;
        from += done;
        at += (uint64_t)done;
        length -= (size_t)done;
    }
}

static void put(struct dump_writer *w, const void *bytes, size_t length) {
    put_at(w, bytes, length, w->at);
    w->at += length;
}

static void pad(struct dump_writer *w) {
    static const char zeros[8];
    put(w, zeros, (size_t)(-w->at & 7));
}

void dump_writer_section(struct dump_writer *w, uint32_t type, size_t stride, const void *records, size_t count) {
    struct dump_section head = {.type = type, .stride = (uint32_t)stride, .length = (uint64_t)stride * count};
    if (count == 0 && type != DUMP_END) return;
    head.crc = crc32c(0, records, stride * count);
    head.header_crc = crc32c(0, &head, offsetof(struct dump_section, header_crc));
    put(w, &head, sizeof head);
    put(w, records, stride * count);
    pad(w);
    w->sections++;
}

void dump_writer_open(struct dump_writer *w, uint32_t type, size_t stride) {
    w->head = (struct dump_section){.type = type, .stride = (uint32_t)stride};
    w->head_at = w->at;
    put(w, &w->head, sizeof w->head);
}

static void put_held(struct dump_writer *w) {
    w->head.crc = crc32c(w->head.crc, w->buffer, w->held);
    w->head.length += w->held;
    put(w, w->buffer, w->held);
    w->held = 0;
}

void dump_writer_add(struct dump_writer *w, const void *record) {
    if (w->held + w->head.stride > sizeof w->buffer) put_held(w);
    memcpy(w->buffer + w->held, record, w->head.stride);
    w->held += w->head.stride;
}

void dump_writer_close(struct dump_writer *w) {
    put_held(w);
    w->head.header_crc = crc32c(0, &w->head, offsetof(struct dump_section, header_crc));
    put_at(w, &w->head, sizeof w->head, w->head_at);
    pad(w);
    w->sections++;
}

int dump_writer_finish(struct dump_writer *w, const struct dump_process *process, uint64_t *size) {
    dump_writer_section(w, DUMP_END, 0, NULL, 0);
    struct dump_header header = {.magic = DUMP_MAGIC,
                                 .version = DUMP_VERSION,
                                 .header_size = sizeof header,
                                 .file_size = w->at,
                                 .time_realtime = process->start_realtime + (process->dump_time - process->start_time),
                                 .sections = w->sections,
                                 .pid = process->pid};
    header.crc = crc32c(0, &header, offsetof(struct dump_header, crc));
    *size = w->at;
    put_at(w, &header, sizeof header, 0);
    if (!w->failed) return w->fd;
    if (w->fd >= 0) (void)close(w->fd);
    return -1;
}
