/* See box_dump.h. */
#include "reporter/load/box_dump.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "reporter/load/crc32c.h"

struct writer {
    int fd;
    uint64_t at;
    uint32_t sections;
    bool failed;
};

static void put(struct writer *w, const void *bytes, size_t length) {
    const char *from = bytes;
    while (length && !w->failed) {
        ssize_t done = pwrite(w->fd, from, length, (off_t)w->at);
        if (done < 0 && errno == EINTR) continue;
        w->failed = done <= 0;
        if (w->failed) return;
        from += done;
        w->at += (uint64_t)done;
        length -= (size_t)done;
    }
}

static void section(struct writer *w, uint32_t type, size_t stride, const void *records, size_t count) {
    static const char zeros[8];
    struct dump_section head = {.type = type, .stride = (uint32_t)stride, .length = (uint64_t)stride * count};
    if (count == 0 && type != DUMP_END) return;
    head.crc = crc32c(0, records, stride * count);
    head.header_crc = crc32c(0, &head, offsetof(struct dump_section, header_crc));
    put(w, &head, sizeof head);
    put(w, records, stride * count);
    put(w, zeros, (size_t)(-w->at & 7));
    w->sections++;
}

static void stats(struct writer *w, const struct box *box) {
    const struct box_header *header = &box->header;
    const uint64_t *number = header->number;
    uint64_t live = 0;
    for (uint32_t i = 0; i < box->site_count; i++) live += box->sites[i].blocks;
    const struct dump_stat all[] = {
        {STAT_DIRECT_USED, 0, number[BOX_USED]},
        {STAT_DIRECT_PEAK, 0, number[BOX_PEAK]},
        {STAT_DIRECT_PEAK_TIME, 0, number[BOX_PEAK_TIME]},
        {STAT_DIRECT_MAX, 0, number[BOX_MAX]},
        {STAT_DIRECT_REFUSED, 0, number[BOX_REFUSED]},
        {STAT_REFUSED_BYTES, 0, number[BOX_REFUSED_BYTES]},
        {STAT_HIGH_CROSSINGS, 0, number[BOX_HIGH_CROSSINGS]},
        {STAT_LOW_CROSSINGS, 0, number[BOX_LOW_CROSSINGS]},
        {STAT_TRACKED_LIVE, 0, live},
        {STAT_BOX_LOST, 0, header->lost},
        /* only where blocks were drawn */
        {STAT_SAMPLE_BYTES, 0, header->sample_bytes},
        {STAT_SAMPLE_BLOCKS, 0, header->sample_blocks},
    };
    size_t count = sizeof all / sizeof *all - (header->sample_bytes ? 0 : 2);
    section(w, DUMP_STATS, sizeof *all, all, count);
}

static void finish(struct writer *w, const struct box *box, uint64_t *size) {
    const struct dump_process *process = &box->header.process;
    struct dump_header header = {.magic = DUMP_MAGIC,
                                 .version = DUMP_VERSION,
                                 .header_size = sizeof header,
                                 .file_size = w->at,
                                 .time_realtime = process->start_realtime + (process->dump_time - process->start_time),
                                 .sections = w->sections,
                                 .pid = process->pid};
    header.crc = crc32c(0, &header, offsetof(struct dump_header, crc));
    *size = w->at;
    w->at = 0;
    put(w, &header, sizeof header);
}

int box_write(const struct box *box, uint64_t *size) {
    struct dump_process process = box->header.process;
    struct writer w = {.fd = memfd_create("box", MFD_CLOEXEC), .at = sizeof(struct dump_header)};
    if (w.fd < 0) return -1;
    process.max_direct = box->header.number[BOX_MAX];
    section(&w, DUMP_PROCESS, sizeof process, &process, 1);
    section(&w, DUMP_STRINGS, 1, box->strings, (size_t)box->string_bytes);
    section(&w, DUMP_OPTIONS, sizeof *box->options, box->options, box->option_count);
    section(&w, DUMP_MODULES, sizeof *box->modules, box->modules, box->module_count);
    section(&w, DUMP_SEGMENTS, sizeof *box->segments, box->segments, box->segment_count);
    section(&w, DUMP_FRAMES, sizeof *box->written, box->written, box->written_count);
    section(&w, DUMP_STACKS, sizeof *box->stacks, box->stacks, box->stack_count);
    section(&w, DUMP_SITES, sizeof *box->sites, box->sites, box->site_count);
    section(&w, DUMP_TOTALS, sizeof *box->totals, box->totals, box->rows);
    section(&w, DUMP_REFUSALS, sizeof *box->refusals, box->refusals, box->refusal_count);
    stats(&w, box);
    section(&w, DUMP_END, 0, NULL, 0);
    finish(&w, box, size);
    if (!w.failed) return w.fd;
    (void)close(w.fd);
    return -1;
}
