/* See resident.h. Bits of an entry: Documentation/admin-guide/mm/pagemap.rst of Linux. */
#include "shim/base/resident.h"
#include "shim/base/sys.h"

#include <fcntl.h>

#define PRESENT(entry) ((entry) >> 63 & 1)
#define KEPT(entry)    ((entry) >> 62 != 0) /* present, or swapped out */
#define OF_FILE(entry) ((entry) >> 61 & 1)
#define SURE(entry)    ((entry) >> 56 & 0x21) /* mapped by nobody else, or of a file */

bool resident_open(struct resident_reader *r, const char *path) {
    r->fd = sys4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0);
    r->from = r->count = r->unsure = 0;
    return !sys_failed(r->fd);
}

/* The kernel gives what there is up to the end of the address space. */
static void read_at(struct resident_reader *r, uintptr_t from) {
    long n = sys4(SYS_pread64, r->fd, (long)r->pages, sizeof r->pages, (long)(from / PAGE * sizeof *r->pages));
    r->from = from;
    r->count = n > 0 ? (size_t)n / sizeof *r->pages : 0;
}

/* NULL: it is not told. */
static const uint64_t *entry_of(struct resident_reader *r, uintptr_t page) {
    if (page < r->from || page >= r->from + r->count * PAGE) read_at(r, page);
    return r->count == 0 ? NULL : &r->pages[(page - r->from) / PAGE];
}

size_t resident_bytes(struct resident_reader *r, uintptr_t from, size_t n) {
    uintptr_t at = round_down(from, PAGE), end = round_up(from + n, PAGE);
    size_t present = 0;
    for (; at < end; at += PAGE) {
        const uint64_t *entry = entry_of(r, at);
        if (!entry) break;
        present += PRESENT(*entry);
        r->unsure += PRESENT(*entry) && !SURE(*entry) ? PAGE : 0;
    }
    return present * PAGE;
}

bool resident_is_kept(struct resident_reader *r, uintptr_t at) {
    const uint64_t *entry = entry_of(r, round_down(at, PAGE));
    return !entry || KEPT(*entry);
}

bool resident_is_own(struct resident_reader *r, uintptr_t at) {
    const uint64_t *entry = entry_of(r, round_down(at, PAGE));
    return !entry || (KEPT(*entry) && !OF_FILE(*entry));
}

void resident_close(struct resident_reader *r) {
    (void)sys1(SYS_close, r->fd);
}
