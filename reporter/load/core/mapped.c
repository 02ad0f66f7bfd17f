/* See mapped.h. */
#include "reporter/load/core/mapped.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HOLES_FROM ((uint64_t)1 << 18) /* bytes of a stretch in which holes are looked for */

bool mapped_open(struct mapped *m, const struct core *core) {
    void *file = mmap(NULL, (size_t)core->size, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, core->fd, 0);
    *m = (struct mapped){core, file, core->segments};
    return file != MAP_FAILED;
}

void mapped_close(struct mapped *m) {
    (void)munmap((void *)(uintptr_t)m->file, (size_t)m->core->size);
}

static bool is_in(const struct core_segment *s, uint64_t address) {
    return address >= s->address && address - s->address < s->length;
}

const char *mapped_at(struct mapped *m, uint64_t address, uint64_t *there) {
    if (!is_in(m->last, address)) {
        const struct core_segment *s = core_segment_before(m->core, address);
        if (!s || !is_in(s, address)) return NULL;
        m->last = s;
    }
    uint64_t in = address - m->last->address;
    *there = m->last->length - in;
    return m->file + m->last->offset + in;
}

uint64_t mapped_word(struct mapped *m, uint64_t address) {
    uint64_t there, word = 0;
    const char *bytes = mapped_at(m, address, &there);
    if (bytes && there >= sizeof word) memcpy(&word, bytes, sizeof word);
    return word;
}

/* The data of a stretch that lies in one piece: whole words, where they begin at multiples of 8. */
static void see_data(struct mapped *m, const char *bytes, uint64_t n, uint64_t address, mapped_see *see,
                     void *context) {
    uint64_t start = (uint64_t)(bytes - m->file), end = start + n;
    for (uint64_t from = start; from < end;) {
        off_t data = n < HOLES_FROM ? (off_t)from : lseek(m->core->fd, (off_t)from, SEEK_DATA), hole = -1;
        if (data < 0 && errno == ENXIO) return; /* a hole up to the file's end */
        if (data < (off_t)from)
            data = (off_t)from;
        else if (n >= HOLES_FROM)
            hole = lseek(m->core->fd, data, SEEK_HOLE);
        if ((uint64_t)data >= end) return;
        uint64_t upto = hole < 0 || (uint64_t)hole > end ? end : (uint64_t)hole;
        uint64_t at = (uint64_t)data, before = (address + (at - start)) & 7;
        at -= at - from < before ? at - from : before;
        see(context, m->file + at, upto - at, address + (at - start));
        from = upto;
    }
}

bool mapped_each(struct mapped *m, uint64_t from, uint64_t end, mapped_see *see, void *context) {
    bool whole = true;
    while (from < end) {
        uint64_t there = 0;
        const char *bytes = mapped_at(m, from, &there);
        if (there > end - from) there = end - from;
        if (bytes) see_data(m, bytes, there, from, see, context);
        whole = whole && bytes;
        if (!bytes) {
            uint64_t next = core_next(m->core, from);
            there = (next < end ? next : end) - from;
        }
        from += there;
    }
    return whole;
}
