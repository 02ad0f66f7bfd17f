/* mlockall. What weir has reserved is no memory of the program's: it counts for nobody's limit, nothing of it becomes
 * resident that is not used, and what is used of it is locked as glibc's heap would be, but as it is touched. */
#include "shim/arena/slices.h"
#include "shim/base/files.h"
#include "shim/base/mapping.h"
#include "shim/base/region.h"
#include "shim/base/reserve.h"
#include "shim/base/sys.h"
#include "shim/entry/hooks.h"
#include "shim/ceiling/ceiling.h"
#include "shim/entry/start.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#ifndef MCL_ONFAULT
#    define MCL_ONFAULT 4
#endif
#define ENOMEM_ 12
#define EINVAL_ 22

/* Calls f for each mapping, with the flags of mlockall. True: they all said so. */
static bool all_mappings(bool (*f)(const struct mapping *m, int flags), int flags) {
    struct mapping_reader r;
    struct mapping m;
    bool all = mapping_open(&r);
    if (!all) return false;
    while (mapping_next(&r, &m, NULL, 0)) all &= f(&m, flags);
    mapping_close(&r);
    return all;
}

static bool unlock_reserved(const struct mapping *m, int flags) {
    (void)flags;
    return !reserve_contains(m->start) || m->writable ||
           sys2(SYS_munlock, (long)m->start, (long)(m->end - m->start)) == 0;
}

static bool is_weirs(const struct mapping *m) {
    return m->start >= round_down((uintptr_t)__ehdr_start, PAGE) && m->start < (uintptr_t)_end;
}

static bool lock_it(const struct mapping *m, int flags) {
    if (flags & MCL_ONFAULT) return sys_lock_touched((void *)m->start, m->end - m->start);
    return sys2(SYS_mlock, (long)m->start, (long)(m->end - m->start)) == 0;
}
static bool lock_programs(const struct mapping *m, int flags) {
    return reserve_contains(m->start) || is_weirs(m) || lock_it(m, flags);
}
static bool lock_weirs(const struct mapping *m, int flags) {
    return !is_weirs(m) || lock_it(m, flags);
}

static bool lock_open(const struct mapping *m, int flags) {
    (void)flags;
    return !reserve_contains(m->start) || !m->writable || sys_lock_touched((void *)m->start, m->end - m->start);
}

/* What is charged of the arena's slices. */
static void lock_charged_slices(void) {
    for (int zone = ZONE_LOW; zone <= ZONE_HIGH; zone++) {
        size_t i, end;
        slices_bounds((enum slices_zone)zone, &i, &end);
        for (; (i = slices_next_used((enum slices_zone)zone, i, end)) < end; i++) {
            size_t charged = slices_charged(&arena_slabs[i], 1);
            if (charged > 0) (void)sys_lock_touched(slab_start(&arena_slabs[i]), charged);
        }
    }
}

static bool can_be_locked(const struct mapping *m, int flags) {
    (void)flags;
    size_t n = m->end - m->start;
    if (!reserve_contains(m->start) || m->writable) return true;
    return sys_lock_touched((void *)m->start, n) && sys2(SYS_munlock, (long)m->start, (long)n) == 0;
}
/* Whether a limit of locked memory counts for this process: what is reserved is more than any. */
static bool is_limited(void) {
    return !all_mappings(can_be_locked, 0);
}

/* Whether the limit that the kernel has applied to all would let the rest be locked. */
static bool rest_is_in_limit(void) {
    char text[64];
    uint64_t pages = 0;
    struct rlimit64 limit;
    if (file_read("/proc/self/statm", text, sizeof text) < 0) return false;
    for (const char *c = text; *c >= '0' && *c <= '9'; c++) pages = pages * 10 + (uint64_t)(*c - '0');
    if (sys4(SYS_prlimit64, 0, RLIMIT_MEMLOCK, 0, (long)&limit) != 0 || limit.rlim_cur == 0) return false;
    /* In what is reserved lies what is used. */
    uint64_t used = ceiling_numbers().heap - atomic_load_explicit(&region_total, memory_order_relaxed);
    return pages * PAGE + used <= limit.rlim_cur + reserve_total();
}

static long lock_current(int flags) {
    long r = sys_unfiltered(SYS_mlockall, MCL_CURRENT | MCL_ONFAULT, 0, 0, 0, 0, 0);
    if (r == -ENOMEM_ && rest_is_in_limit()) {
        (void)all_mappings(lock_programs, flags);
        lock_charged_slices();
        /* Last, since there is a limit, and not if what comes is to find room. */
        if (!(flags & MCL_FUTURE)) (void)all_mappings(lock_weirs, flags);
        return 0;
    }
    if (r != 0) return r;
    (void)all_mappings(unlock_reserved, flags);
    if (!(flags & MCL_ONFAULT)) {
        (void)all_mappings(lock_programs, flags);
        (void)all_mappings(lock_weirs, flags);
    }
    return 0;
}

static long lock_future(int flags) {
    long r = sys_unfiltered(SYS_mlockall, flags & ~MCL_CURRENT, 0, 0, 0, 0, 0);
    if (r != 0) return r;
    reserve_locks_charged = is_limited();
    reserve_locks = true;
    if (reserve_locks_charged) {
        lock_charged_slices(); /* no table of weir's: what comes is to find room */
    } else {
        (void)all_mappings(lock_open, flags);
    }
    return 0;
}

static long lock_all(int flags) {
    long r = 0;
    if (flags == MCL_ONFAULT || !(flags & (MCL_CURRENT | MCL_FUTURE)) ||
        (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)))
        return -EINVAL_;
    if (flags & MCL_CURRENT) {
        /* Before 4.4 the kernel knows one way only. Without the second flag the first call also ends the future. */
        r = lock_current(flags);
        if (r == -EINVAL_) return sys_unfiltered(SYS_mlockall, flags, 0, 0, 0, 0, 0);
        if (r == 0) reserve_locks = reserve_locks_charged = false;
    }
    if (r == 0 && (flags & MCL_FUTURE)) r = lock_future(flags);
    return r;
}

static int answer(long r) {
    if (!sys_failed(r)) return 0;
    errno = (int)-r;
    return -1;
}

EXPORT int mlockall(int flags) {
    start_check();
    return answer(lock_all(flags));
}

EXPORT int munlockall(void) {
    reserve_locks = reserve_locks_charged = false;
    return answer(sys_unfiltered(SYS_munlockall, 0, 0, 0, 0, 0, 0));
}

/* Locks are not inherited. */
void lock_all_forked(void) {
    reserve_locks = reserve_locks_charged = false;
}
