/* Growing tables; see region.h. */
#include "shim/base/region.h"
#include "shim/base/charge.h"
#include "shim/base/sys.h"

#include <stdatomic.h>
#include <sys/resource.h>

#define STEP        (64 * KIB) /* how much is made writable at once; only touched pages cost memory, but all are charged */

#define TABLE_SHARE 256 /* of a limited address space a table may reserve one part in so many */

_Atomic size_t region_total, region_share = SIZE_MAX;

size_t region_address_limit(void) {
    static size_t known; /* asked once: reservations are made at start, all under the same limit */
    struct rlimit64 limit;
    if (known > 0) return known;
    bool none = sys4(SYS_prlimit64, 0, RLIMIT_AS, 0, (long)&limit) != 0 || limit.rlim_cur == RLIM64_INFINITY;
    known = none ? SIZE_MAX : max_size(limit.rlim_cur, 1);
    return known;
}

bool region_reserve(struct region *r, size_t size, bool readable) {
    size_t limit = region_address_limit();
    if (limit != SIZE_MAX) size = min_size(size, max_size(limit / TABLE_SHARE, 4 * STEP));
    size = round_up(size, PAGE);
    char *p = sys_reserve(size + 2 * PAGE, MAP_NORESERVE);
    if (!p) return false;
    if (readable && !sys_mprotect(p + PAGE, size, PROT_READ)) {
        sys_trim_reserved(p, size + 2 * PAGE, p, 0);
        return false;
    }
    r->base = p + PAGE;
    r->size = size;
    return true;
}

static bool grow(struct region *r, size_t from, size_t to) {
    size_t n = to - from;
    if (!charge_take(n)) return false;
    if (!sys_open_reserved(r->base + from, n)) {
        charge_give(n);
        return false;
    }
    if (!atomic_compare_exchange_strong_explicit(&r->committed, &from, to, memory_order_release,
                                                 memory_order_relaxed)) {
        charge_give(n); /* another thread grew it, and charged for it */
        return true;
    }
    atomic_fetch_add_explicit(&region_total, n, memory_order_relaxed);
    return true;
}

bool region_grow(struct region *r, size_t upto) {
    if (upto > r->size || (r->greedy && region_total >= region_share)) return false;
    for (;;) {
        size_t have = atomic_load_explicit(&r->committed, memory_order_acquire);
        if (likely(upto <= have)) return true;
        size_t page_step = min_size(round_up(upto, STEP), r->size);
        if (!grow(r, have, page_step) && !grow(r, have, round_up(upto, PAGE))) return false;
    }
}

void region_clear(struct region *r) {
    size_t n = atomic_load_explicit(&r->committed, memory_order_relaxed);
    if (n > 0 && !sys_madvise(r->base, n, MADV_DONTNEED)) mem_zero(r->base, n); /* a filter, or it is locked */
}
