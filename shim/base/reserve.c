/* See reserve.h. */
#include "shim/base/reserve.h"
#include "shim/base/sys.h"

#include <stdatomic.h>

#define RANGES_MAX 64u /* each table is one */

static struct range { uintptr_t start, end; } ranges[RANGES_MAX];
static _Atomic uint32_t ranges_used;
const struct reserve_places reserve_places = {(uintptr_t)ranges, RANGES_MAX, (uintptr_t)&ranges_used};
bool reserve_locks, reserve_locks_charged;

void *sys_reserve(size_t n, int flags) {
    char *p = sys_mmap(NULL, n, PROT_NONE, flags);
    if (!p) return NULL;
    (void)sys_madvise(p, n, MADV_DONTDUMP);
    uint32_t i = atomic_fetch_add_explicit(&ranges_used, 1, memory_order_relaxed);
    if (i < RANGES_MAX) ranges[i] = (struct range){(uintptr_t)p, (uintptr_t)p + n};
    return p;
}

void sys_trim_reserved(char *p, size_t size, char *start, size_t n) {
    for (uint32_t i = 0; i < min_size(ranges_used, RANGES_MAX); i++)
        if (ranges[i].start == (uintptr_t)p) ranges[i] = (struct range){(uintptr_t)start, (uintptr_t)start + n};
    if (start > p) sys_munmap(p, (size_t)(start - p));
    if (start + n < p + size) sys_munmap(start + n, (size_t)(p + size - (start + n)));
}

bool sys_open_reserved(void *p, size_t n) {
    if (!sys_mprotect(p, n, PROT_READ | PROT_WRITE) &&
        (!filter_any || !sys_mmap(p, n, PROT_READ | PROT_WRITE, MAP_FIXED))) { /* which more programs are left with */
        return false;
    }
    (void)sys_madvise(p, n, MADV_DODUMP);
    if (reserve_locks && !reserve_locks_charged) (void)sys_lock_touched(p, n);
    return true;
}

bool reserve_overlaps(uintptr_t address, size_t n) {
    for (uint32_t i = 0; i < min_size(ranges_used, RANGES_MAX); i++)
        if (address < ranges[i].end && n > ranges[i].start - min_size(address, ranges[i].start)) return true;
    return false;
}

bool reserve_contains(uintptr_t address) {
    return reserve_overlaps(address, 1);
}

uintptr_t reserve_part_end(uintptr_t from, uintptr_t end, bool *reserved) {
    *reserved = false;
    for (uint32_t i = 0; i < min_size(ranges_used, RANGES_MAX); i++) {
        struct range r = ranges[i];
        if (from >= r.start && from < r.end) {
            *reserved = true;
            return min_size(r.end, end);
        }
        if (r.start > from && r.start < end) end = r.start;
    }
    return end;
}

size_t reserve_total(void) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < min_size(ranges_used, RANGES_MAX); i++) bytes += ranges[i].end - ranges[i].start;
    return bytes;
}

bool sys_lock_touched(void *p, size_t n) {
    return sys3(SYS_mlock2, (long)p, (long)n, MLOCK_ONFAULT) == 0;
}

/* The kernel fills a mapping of memory that is to be locked before anybody can say that it should not. */
void *sys_map_locked(void *at, size_t n, int protection, int flags) {
    long r = sys6(SYS_mmap, (long)at, (long)n, PROT_NONE, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (sys_failed(r)) return NULL;
    (void)sys_lock_touched((void *)r, n);
    if (protection == PROT_NONE || sys_mprotect((void *)r, n, protection)) return (void *)r;
    if (!(flags & MAP_FIXED)) sys_munmap((void *)r, n);
    return NULL;
}
