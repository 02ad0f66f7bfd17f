/* What was ever made, by stack, of a core: rows of its process's box (shim/box/format_box.h). Where the core does not
 * have them their file may lie where it was; see making.h. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/load/box.h"
#include "reporter/load/core/making.h"
#include "reporter/load/file.h"
#include "reporter/load/memory.h"

#define PATH_MOST 2048u

static bool read_from_core(struct making *m, struct dump_total *rows, uint32_t count) {
    uint64_t box = core_word(m->core, m->t.totals.at_box);
    return box && core_read(m->core, rows, count * sizeof *rows, box + BOX_AT_TOTALS);
}

/* A signal has ended it, so that nothing was written since. */
static bool has_ended(const struct making *m) {
    uint32_t number = m->core->thread_count ? m->core->threads[0].signal : 0;
    return number != 0 && number != SIGSTOP && number != SIGTRAP;
}

/* The file is what it is: only that of the same process tells anything. */
static bool read_from_file(struct making *m, struct dump_total *rows, uint32_t count) {
    char path[PATH_MOST];
    struct box_header header;
    if (!has_ended(m) || core_text(m->core, m->t.totals.path, path, sizeof path) == 0) return false;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    off_t size = lseek(fd, 0, SEEK_END);
    bool is = size > 0 && box_is_one(fd, (uint64_t)size) && !box_header(fd, (uint64_t)size, &header) &&
              header.process.pid == m->process.pid && header.process.start_time == m->process.start_time &&
              header.process.start_realtime == m->process.start_realtime && !header.lost &&
              file_read(fd, rows, count * sizeof *rows, BOX_AT_TOTALS);
    (void)close(fd);
    return is;
}

/* Rows of this instant have as many blocks live as were found, but for what each thread was about to count. */
static bool are_of_now(const struct making *m, const struct dump_total *rows, uint32_t count) {
    uint64_t live = 0, found = m->tracked - m->inherited, threads = m->core->thread_count;
    for (uint32_t i = 0; i < count; i++) {
        live += rows[i].samples;
        for (size_t j = 0; j < DUMP_LIFETIMES; j++) live -= rows[i].lifetimes[j];
    }
    return live + threads - found <= 2 * threads;
}

/* As totals_are_at_peak of shim/box/totals.c has it. */
static bool is_at_peak(const struct making *m, const struct dump_total *rows, uint32_t count) {
    int64_t highest = (int64_t)core_word(m->core, m->t.totals.at_peak),
            noted = (int64_t)core_word(m->core, m->t.totals.at_noted);
    uint64_t live = 0;
    for (uint32_t i = 0; i < count; i++) live += rows[i].bytes - rows[i].freed_bytes;
    if ((int64_t)live > highest) highest = (int64_t)live;
    return noted < 0 || (uint64_t)highest - (uint64_t)noted > (uint64_t)noted / 128;
}

void making_write_totals(struct making *m) {
    static bool (*const ways[])(struct making *, struct dump_total *, uint32_t) = {read_from_core, read_from_file};
    uint32_t used = core_half(m->core, m->t.totals.at_used), count = 0;
    if (used == 0 || used > BOX_TOTALS_MOST) return;
    struct dump_total *rows = memory_get(used, sizeof *rows);
    for (size_t i = 0; i < sizeof ways / sizeof *ways && count == 0; i++) {
        if (!ways[i](m, rows, used)) continue;
        bool is_peak = is_at_peak(m, rows, used);
        count = box_rows(rows, used, &is_peak);
        if (!are_of_now(m, rows, count)) count = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        rows[i].stack = making_stack(m, rows[i].stack);
        rows[i].next = 0;
    }
    if (count) dump_writer_section(&m->w, DUMP_TOTALS, sizeof *rows, rows, count);
    free(rows);
}
