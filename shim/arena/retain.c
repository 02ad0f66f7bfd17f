/* What slices hold: memory that is charged when it is committed, retained for a while when it is free, and given back.
 * See slices.h. System calls that take long happen outside of the lock. */
#include "shim/arena/zones.h"
#include "shim/base/charge.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/reserve.h"
#include "shim/base/sys.h"

#include <stdatomic.h>

#define PURGE_PAUSE  100000 /* ns */
#define PURGE_PAUSES 100

#ifndef MADV_POPULATE_WRITE
#    define MADV_POPULATE_WRITE 23
#endif
#define EINVAL_ 22

static _Atomic uint64_t purged_bytes;
_Atomic uint64_t slices_wait_until;

/* --- charging --- */

bool slices_commit(struct slab *head, size_t upto) {
    size_t missing = 0;
    for (size_t at = 0; at < upto; at += SLICE) {
        size_t want = min_size(upto - at, SLICE), have = head[at >> SLICE_SHIFT].slice.committed;
        if (want > have) missing += want - have;
    }
    if (missing > 0 && !charge_take(missing)) return false;
    for (size_t at = 0; at < upto; at += SLICE) {
        uint32_t want = (uint32_t)min_size(upto - at, SLICE), *have = &head[at >> SLICE_SHIFT].slice.committed;
        if (want > *have) *have = want;
    }
    if (unlikely(reserve_locks_charged) && missing > 0) (void)sys_lock_touched(slab_start(head), upto);
    return true;
}

void slices_populate(char *p, size_t n) {
    static _Atomic bool refused; /* kernels before 5.14 do not know how */
    if (atomic_load_explicit(&refused, memory_order_relaxed) || sys_madvise(p, n, MADV_POPULATE_WRITE)) return;
    atomic_store_explicit(&refused, true, memory_order_relaxed);
}

size_t slices_charged(const struct slab *s, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += s[i].slice.committed;
    return bytes;
}

/* --- giving back --- */

/* Maps zero pages at the span. `fixed`: MAP_FIXED or MAP_FIXED_NOREPLACE. */
static bool map_span(struct slab *s, size_t count, int fixed) {
    char *at = slab_start(s), *p = sys_mmap(at, count << SLICE_SHIFT, PROT_READ | PROT_WRITE, fixed);
    if (p != at) { /* kernels before 4.17 take an address that is not to be replaced for a hint */
        if (p) sys_munmap(p, count << SLICE_SHIFT);
        return false;
    }
    if (slab_index(s) < zones[ZONE_HIGH].first) (void)sys_madvise(at, count << SLICE_SHIFT, MADV_NOHUGEPAGE);
    return true;
}

bool slices_renew(struct slab *s, size_t count) {
    if (!map_span(s, count, MAP_FIXED)) return false;
    size_t bytes = slices_charged(s, count);
    for (size_t i = 0; i < count; i++) s[i].slice.committed = s[i].slice.moved = 0;
    charge_give(bytes);
    return true;
}

bool slices_map_again(struct slab *s, size_t count) {
    return map_span(s, count, MAP_FIXED_NOREPLACE);
}

static long drop(void *p, size_t n) {
    return sys3(SYS_madvise, (long)p, (long)n, MADV_DONTNEED);
}

/* Gives the side arrays' memory back, but what is locked. Bytes. */
static size_t empty_sides(struct slab *s, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n = s[i].slice.side_pages * PAGE;
        if (n == 0) continue;
        long r = drop(slices_side(&s[i]), n);
        if (r == -EINVAL_ || (r != 0 && !sys_mmap(slices_side(&s[i]), n, PROT_READ | PROT_WRITE, MAP_FIXED))) continue;
        bytes += n;
        s[i].slice.side_pages = 0;
    }
    charge_give(bytes);
    return bytes;
}

/* Gives the span's pages back. Where the kernel is short of memory, or a filter forbids the call, others are mapped
 * over them. False: they stay dirty and charged; they are locked (EINVAL), or not even that can be done. */
static bool drop_pages(struct slab *s, size_t count) {
    long r = drop(slab_start(s), count << SLICE_SHIFT);
    if (r != 0) return r != -EINVAL_ && slices_renew(s, count);
    size_t bytes = slices_charged(s, count);
    for (size_t i = 0; i < count; i++) s[i].slice.committed = 0;
    charge_give(bytes);
    return true;
}

/* Gives the memory of a span back that the caller owns. Bytes. */
static size_t purge_span(struct slab *s, size_t count) {
    size_t sides_given = empty_sides(s, count), bytes = slices_charged(s, count);
    bool moved = false;
    for (size_t i = 0; i < count; i++) moved |= s[i].slice.moved;
    bool given = moved ? slices_renew(s, count) : drop_pages(s, count);
    return given ? bytes + sides_given : 0;
}

void slices_purge_begins(void) {
    tls.purges++;
    atomic_fetch_add_explicit(&lock_page.purging, 1, memory_order_acq_rel);
}
void slices_purge_ends(void) {
    /* Not below zero: a fork wipes the page, and its child may be in between. */
    uint32_t n = atomic_load_explicit(&lock_page.purging, memory_order_relaxed);
    while (n > 0 && !atomic_compare_exchange_weak_explicit(&lock_page.purging, &n, n - 1, memory_order_acq_rel,
                                                           memory_order_relaxed)) {
    }
    tls.purges--;
}

void slices_drop(struct slab *s, size_t count) {
    slices_purge_begins();
    atomic_fetch_add_explicit(&purged_bytes, purge_span(s, count), memory_order_relaxed);
    slices_purge_ends();
}

void slices_clear(struct slab *s, size_t n) {
    for (size_t at = 0; at < n; at += SLICE)
        mem_zero(slab_start(s) + at, min_size(s[at >> SLICE_SHIFT].slice.committed, n - at));
}

static size_t purge_word(struct zone *z, size_t word, bool all) {
    size_t bytes = 0;
    lock_take(LOCK_SLICES);
    uint64_t take = zone_bits(&z->free)[word] & zone_bits(&z->dirty)[word];
    uint64_t young = take & ~zone_bits(&z->old)[word];
    if (!all) {
        zone_set_word(zone_bits(&z->old), word, zone_word(zone_bits(&z->old), word) | young);
        take &= ~young;
    }
    zone_set_word(zone_bits(&z->free), word, zone_word(zone_bits(&z->free), word) & ~take);
    if (take) slices_purge_begins();
    lock_give(LOCK_SLICES);
    if (!all && young) slices_begin_wait();
    if (!take) return 0;
    uint64_t still_dirty = 0;
    for (size_t i = 0; i < 64;) {
        if (!(take >> i & 1)) {
            i++;
            continue;
        }
        size_t n = 1;
        while (i + n < 64 && (take >> (i + n) & 1)) n++;
        struct slab *s = &arena_slabs[z->first + word * 64 + i];
        bytes += purge_span(s, n);
        for (size_t j = 0; j < n; j++) still_dirty |= (uint64_t)slice_is_dirty(&s[j]) << (i + j);
        i += n;
    }
    lock_take(LOCK_SLICES);
    zone_set_word(zone_bits(&z->dirty), word, (zone_word(zone_bits(&z->dirty), word) & ~take) | still_dirty);
    zone_set_word(zone_bits(&z->old), word, zone_word(zone_bits(&z->old), word) & ~take);
    zone_set_word(zone_bits(&z->free), word, zone_word(zone_bits(&z->free), word) | take);
    for (uint64_t left = take; left; left &= left - 1) zone_freed(z, word * 64 + (size_t)__builtin_ctzll(left), 1);
    slices_purge_ends();
    lock_give(LOCK_SLICES);
    return bytes;
}

size_t slices_purge(bool all) {
    size_t bytes = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(zones); i++) {
        struct zone *z = &zones[i];
        size_t words = (z->writable - z->first + 63) / 64;
        for (size_t w = 0; w < words; w++)
            if (zone_word(zone_bits(&z->dirty), w)) bytes += purge_word(z, w, all);
    }
    atomic_fetch_add_explicit(&purged_bytes, bytes, memory_order_relaxed);
    return bytes;
}

bool slices_wait_for_purges(void) {
    bool waited = false;
    for (int i = 0; i < PURGE_PAUSES && atomic_load_explicit(&lock_page.purging, memory_order_acquire) > 0; i++) {
        sys_pause(PURGE_PAUSE);
        waited = true;
    }
    return waited;
}

void slices_begin_wait(void) {
    if (atomic_load_explicit(&slices_wait_until, memory_order_relaxed) == 0)
        atomic_store_explicit(&slices_wait_until, clock_coarse() + SLICES_PERIOD, memory_order_relaxed);
}

bool slices_wait_is_over(void) {
    return clock_coarse() >= atomic_load_explicit(&slices_wait_until, memory_order_relaxed);
}

bool slices_end_wait(void) {
    uint64_t until = atomic_load_explicit(&slices_wait_until, memory_order_relaxed);
    return until != 0 && clock_coarse() >= until &&
           atomic_compare_exchange_strong_explicit(&slices_wait_until, &until, 0, memory_order_relaxed,
                                                   memory_order_relaxed);
}

uint64_t slices_purged(void) {
    return atomic_load_explicit(&purged_bytes, memory_order_relaxed);
}
