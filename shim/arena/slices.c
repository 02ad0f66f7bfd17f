/* The slice allocator; see slices.h. Bitmaps under LOCK_SLICES; system calls that take long happen outside of it.
 *
 * A fork may find the bitmaps half written. Taking clears bits before anything else, giving sets them last: what a
 * child can find is a span that is free for nobody. */
#include "shim/arena/slices.h"
#include "shim/base/charge.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/region.h"
#include "shim/base/start.h"
#include "shim/base/sys.h"

#include <elf.h>
#include <stdatomic.h>

#define CHUNK_SLICES   ((size_t)512) /* 32 MiB are made writable at a time */
#define SIDE_PER_SLICE (128 * KIB)   /* 4,096 places of 16 bytes, 32 bytes each */
#define PURGE_PAUSE    100000        /* ns */
#define PURGE_PAUSES   100
#define WINDOW         ((size_t)1 << WINDOW_SHIFT)
#define SMALLEST       (128 * SLICE)                /* less is no arena */
#define SPREAD_SLICES  (WINDOW >> SLICE_SHIFT >> 4) /* its use begins at a random chunk of this part: 64 GiB */

struct arena arena;
uintptr_t arena_mask;
struct link slab_nil ALIGNED(16);
#ifdef WEIR_ENCODE
uintptr_t link_key;
#endif
struct slab slab_empty = {.free = &slab_nil};
struct slab *arena_slabs = &slab_empty;

static struct zone {
    size_t first, end;              /* slices of the zone */
    _Atomic size_t writable;        /* [first, writable) can be used */
    size_t hint;                    /* no word below this one has a free slice; an index into the bitmaps */
    struct region slabs;            /* its part of the descriptors */
    struct region free, dirty, old; /* bitmaps: free; of those, with committed memory; of those, for a period */
} zones[2];

static char *sides;
static bool guarded; /* every span is followed by a slice that nobody can touch (WEIR_GUARD) */
static uint64_t reserved_bytes;
static _Atomic uint64_t purged_bytes;
_Atomic uint64_t slices_wait_until;

static uint64_t *bits(const struct region *r) {
    return (uint64_t *)r->base;
}

/* --- start --- */

/* The whole window, aligned; NULL where address space is limited. */
static char *reserve_window(void) {
    if (region_address_limit() != SIZE_MAX) return NULL;
    /* Not MAP_NORESERVE: the kernel is to judge a huge request as it judges anybody's (vm.overcommit_memory). */
    char *p = sys_reserve(2 * WINDOW, 0);
    if (!p) return NULL;
    char *at = (char *)round_up((uintptr_t)p, WINDOW);
    if (at > p) sys_munmap(p, (size_t)(at - p));
    sys_munmap(at + WINDOW, (size_t)(p + WINDOW - at));
    return at;
}

/* As much as there is, up to a share of the limit: the program needs address space of its own. */
static char *reserve_less(size_t *n, bool with_sides) {
    size_t limit = region_address_limit();
    *n = limit == SIZE_MAX ? WINDOW / 2 : limit / (with_sides ? 4 : 2);
    for (; (*n = round_down(*n, SMALLEST)) > 0; *n /= 2) { /* both zones' bitmaps in whole words */
        /* A slab lies in one aligned span of 512 KiB, here too. */
        char *p = sys_reserve(*n + ((size_t)1 << SLAB_SPAN_SHIFT), 0);
        if (p) return (char *)round_up((uintptr_t)p, (size_t)1 << SLAB_SPAN_SHIFT);
    }
    return NULL;
}

static bool start_zone(struct zone *z, char *table, size_t first, size_t end) {
    z->first = first;
    z->end = end;
    z->writable = first;
    z->slabs.base = table + first * sizeof(struct slab);
    z->slabs.size = (end - first) * sizeof(struct slab);
    size_t bitmap = (end - first) / 8;
    return region_reserve(&z->free, bitmap, false) && region_reserve(&z->dirty, bitmap, false) &&
           region_reserve(&z->old, bitmap, false);
}

/* The window's own address hardly varies; where in it the heap begins does. */
static size_t random_start(void) {
    const uint64_t *random = (const void *)start_auxiliary(AT_RANDOM); /* 16 random bytes */
    return random ? (size_t)(*random % SPREAD_SLICES) & ~(CHUNK_SLICES - 1) : 0;
}

#ifdef WEIR_ENCODE
static void make_key(void) {
    const uint64_t *random = (const void *)start_auxiliary(AT_RANDOM);
    link_key = random ? random[1] | (uintptr_t)1 << 62 : (uintptr_t)0x5bd1e995a3c59ac3;
}
#else
static void make_key(void) {}
#endif

bool slices_start(bool with_sides, bool guard) {
    make_key();
    guarded = guard;
    size_t n = WINDOW;
    char *base = reserve_window();
    if (!base) {
        base = reserve_less(&n, with_sides);
        arena.small = true;
    }
    if (!base) return false;
    size_t slices = n >> SLICE_SHIFT;
    char *table = sys_reserve(slices * sizeof(struct slab) + 2 * PAGE, MAP_NORESERVE);
    if (!table || !sys_mprotect(table + PAGE, slices * sizeof(struct slab), PROT_READ)) return false;
    if (with_sides) sides = sys_reserve(slices / 2 * SIDE_PER_SLICE, MAP_NORESERVE);
    if (!start_zone(&zones[ZONE_LOW], table + PAGE, arena.small ? 0 : random_start(), slices / 2) ||
        !start_zone(&zones[ZONE_HIGH], table + PAGE, slices / 2, slices)) {
        return false;
    }
    reserved_bytes = n + slices * sizeof(struct slab) + (sides ? slices / 2 * SIDE_PER_SLICE : 0);
    arena_slabs = (struct slab *)(void *)(table + PAGE);
    /* In a small arena the fast free only has to stay inside the table: no slab there compares with a heap. */
    arena_mask = ((1ul << (63 - __builtin_clzl(slices))) - 1) * sizeof(struct slab);
    arena.base = (uintptr_t)base;
    arena.slices = slices;
    return true;
}

bool slices_has_sides(void) {
    return sides != NULL;
}
struct side *slices_side(const struct slab *s) {
    return (struct side *)(void *)(sides + slab_index(s) * SIDE_PER_SLICE);
}

/* --- bitmaps --- */

/* Changed under the lock; also looked at without it, by purges that want to know where to begin. */
static uint64_t get_word(const uint64_t *map, size_t word) {
    return __atomic_load_n(&map[word], __ATOMIC_RELAXED);
}
static void put_word(uint64_t *map, size_t word, uint64_t v) {
    __atomic_store_n(&map[word], v, __ATOMIC_RELAXED);
}

static void set_range(uint64_t *map, size_t from, size_t count) {
    for (; count > 0;) {
        size_t bit = from & 63, n = min_size(64 - bit, count);
        put_word(map, from >> 6, get_word(map, from >> 6) | (n == 64 ? ~0ull : ((1ull << n) - 1)) << bit);
        from += n, count -= n;
    }
}

static void clear_range(uint64_t *map, size_t from, size_t count) {
    for (; count > 0;) {
        size_t bit = from & 63, n = min_size(64 - bit, count);
        put_word(map, from >> 6, get_word(map, from >> 6) & ~((n == 64 ? ~0ull : ((1ull << n) - 1)) << bit));
        from += n, count -= n;
    }
}

/* The first bit that is `value` in [from, end), or end. */
static size_t find_bit(const uint64_t *map, bool value, size_t from, size_t end) {
    while (from < end) {
        uint64_t word = (value ? map[from >> 6] : ~map[from >> 6]) >> (from & 63);
        if (word) return min_size(from + (size_t)__builtin_ctzll(word), end);
        from = (from | 63) + 1;
    }
    return end;
}

/* Alignment is the address's, not the index's; both count slices. */
static size_t align_address(const struct zone *z, size_t at, size_t align) {
    size_t bias = (arena.base >> SLICE_SHIFT) + z->first;
    return round_up(bias + at, align) - bias;
}

/* --- growing --- */

static bool make_writable(struct zone *z, size_t upto) {
    size_t from = z->writable, count = upto - from, last = upto - z->first;
    if (upto > z->end || !region_commit(&z->slabs, last * sizeof(struct slab))) return false;
    size_t bitmap = round_up(last, 64) / 8;
    if (!region_commit(&z->free, bitmap) || !region_commit(&z->dirty, bitmap) || !region_commit(&z->old, bitmap)) {
        return false;
    }
    char *at = (char *)arena.base + (from << SLICE_SHIFT);
    if (!sys_open_reserved(at, count << SLICE_SHIFT)) return false;
    if (z == &zones[ZONE_LOW]) {
        /* A huge page would make 2 MiB resident for the 4 KiB that were charged. */
        (void)sys_madvise(at, count << SLICE_SHIFT, MADV_NOHUGEPAGE);
        if (sides && !sys_open_reserved(sides + from * SIDE_PER_SLICE, count * SIDE_PER_SLICE)) {
            return false;
        }
    }
    set_range(bits(&z->free), from - z->first, count);
    atomic_store_explicit(&z->writable, upto, memory_order_release);
    return true;
}

/* Makes room for a span at the zone's end; where it will begin, or SIZE_MAX. */
static size_t grow_for(struct zone *z, size_t count, size_t align) {
    size_t used_end = z->writable - z->first;
    while (used_end > 0 && (bits(&z->free)[(used_end - 1) >> 6] >> ((used_end - 1) & 63) & 1)) used_end--;
    size_t at = align_address(z, used_end, align);
    size_t exact = z->first + at + count;
    if (exact < z->first || exact > z->end) return SIZE_MAX;
    size_t chunk = min_size(round_up(exact, CHUNK_SLICES), z->end);
    /* Less than a chunk where the kernel has a limit (RLIMIT_DATA, strict overcommit). */
    for (;; chunk = exact + (chunk - exact) / 4) {
        if (exact <= z->writable || make_writable(z, chunk)) return at;
        if (chunk == exact) return SIZE_MAX;
    }
}

static size_t find_span(struct zone *z, size_t count, size_t align) {
    const uint64_t *map = bits(&z->free);
    size_t end = z->writable - z->first;
    size_t at = find_bit(map, true, z->hint << 6, end);
    z->hint = at >> 6;
    while (at < end) {
        at = align_address(z, at, align);
        if (at + count > end) break;
        size_t used = find_bit(map, false, at, at + count);
        if (used == at + count) return at;
        at = find_bit(map, true, used, end);
    }
    return SIZE_MAX;
}

static void take_bits(struct zone *z, size_t at, size_t count) {
    clear_range(bits(&z->free), at, count);
    clear_range(bits(&z->dirty), at, count);
    clear_range(bits(&z->old), at, count);
}

static struct slab *take_from(struct zone *z, size_t count, size_t align) {
    lock_take(LOCK_SLICES);
    size_t at = find_span(z, count, align);
    if (at == SIZE_MAX) at = grow_for(z, count, align);
    if (at != SIZE_MAX) take_bits(z, at, count);
    lock_give(LOCK_SLICES);
    return at == SIZE_MAX ? NULL : &arena_slabs[z->first + at];
}

struct slab *slices_take(enum slices_zone zone, size_t count, size_t align) {
    count += guarded;
    struct slab *s = take_from(&zones[zone], count, align);
    /* A small arena's zones help each other out; but only the low one has side arrays. */
    if (!s && arena.small && !sides) s = take_from(&zones[!zone], count, align);
    /* The kernel may have enough of mappings (vm.max_map_count): then there is no guard here. */
    if (s && guarded) (void)sys_mprotect(slab_start(s + count - 1), SLICE, PROT_NONE);
    return s;
}

bool slices_take_at(struct slab *s, size_t count) {
    if (guarded) return false; /* a guard is in the way */
    size_t index = slab_index(s);
    struct zone *z = index >= zones[ZONE_HIGH].first ? &zones[ZONE_HIGH] : &zones[ZONE_LOW];
    if (index + count > z->end) return false;
    size_t at = index - z->first;
    lock_take(LOCK_SLICES);
    /* Past the writable end all is free: the zone's last run may always grow. */
    size_t known = min_size(at + count, z->writable - z->first);
    bool ok = at >= known || find_bit(bits(&z->free), false, at, known) == known;
    if (ok && index + count > z->writable) ok = grow_for(z, count, 1) == at;
    if (ok) take_bits(z, at, count);
    lock_give(LOCK_SLICES);
    return ok;
}

static bool is_dirty(const struct slab *s) {
    return s->slice.committed > 0 || s->slice.side_pages > 0;
}

void slices_give(struct slab *s, size_t count) {
    size_t index = slab_index(s);
    struct zone *z = index >= zones[ZONE_HIGH].first ? &zones[ZONE_HIGH] : &zones[ZONE_LOW];
    size_t at = index - z->first;
    bool any_dirty = false;
    if (guarded) (void)sys_mprotect(slab_start(s + count++), SLICE, PROT_READ | PROT_WRITE);
    for (size_t i = 0; i < count; i++) {
        s[i].kind = KIND_NONE;
        slab_set_owner_word(&s[i], NO_OWNER);
        any_dirty |= is_dirty(&s[i]);
    }
    lock_take(LOCK_SLICES);
    for (size_t i = 0; any_dirty && i < count; i++)
        if (is_dirty(&s[i])) set_range(bits(&z->dirty), at + i, 1);
    set_range(bits(&z->free), at, count);
    z->hint = min_size(z->hint, at >> 6);
    lock_give(LOCK_SLICES);
    if (any_dirty) slices_begin_wait();
}

/* --- charge and purge --- */

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
    return true;
}

size_t slices_charged(const struct slab *s, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += s[i].slice.committed;
    return bytes;
}

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

/* Gives the side arrays' memory back. Bytes. */
static size_t empty_sides(struct slab *s, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (s[i].slice.side_pages == 0 || !sys_madvise(slices_side(&s[i]), s[i].slice.side_pages * PAGE, MADV_DONTNEED))
            continue;
        bytes += s[i].slice.side_pages * PAGE;
        s[i].slice.side_pages = 0;
    }
    charge_give(bytes);
    return bytes;
}

/* Gives the span's pages back. False: they are locked, and stay dirty and charged. */
static bool drop_pages(struct slab *s, size_t count) {
    if (!sys_madvise(slab_start(s), count << SLICE_SHIFT, MADV_DONTNEED)) return false;
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
    atomic_fetch_add_explicit(&lock_page.purging, 1, memory_order_acq_rel);
}
void slices_purge_ends(void) {
    /* Not below zero: a fork wipes the page, and its child may be in between. */
    uint32_t n = atomic_load_explicit(&lock_page.purging, memory_order_relaxed);
    do {
        if (n == 0) return;
    } while (!atomic_compare_exchange_weak_explicit(&lock_page.purging, &n, n - 1, memory_order_acq_rel,
                                                    memory_order_relaxed));
}

void slices_empty(struct slab *s, size_t count) {
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
    uint64_t take = bits(&z->free)[word] & bits(&z->dirty)[word];
    uint64_t young = take & ~bits(&z->old)[word];
    if (!all) {
        put_word(bits(&z->old), word, get_word(bits(&z->old), word) | young);
        take &= ~young;
    }
    put_word(bits(&z->free), word, get_word(bits(&z->free), word) & ~take);
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
        size_t given = purge_span(s, n);
        bytes += given;
        if (given == 0) still_dirty |= (n == 64 ? ~0ull : ((1ull << n) - 1)) << i;
        i += n;
    }
    lock_take(LOCK_SLICES);
    put_word(bits(&z->dirty), word, (get_word(bits(&z->dirty), word) & ~take) | still_dirty);
    put_word(bits(&z->old), word, get_word(bits(&z->old), word) & ~take);
    put_word(bits(&z->free), word, get_word(bits(&z->free), word) | take);
    z->hint = min_size(z->hint, word);
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
            if (get_word(bits(&z->dirty), w)) bytes += purge_word(z, w, all);
    }
    atomic_fetch_add_explicit(&purged_bytes, bytes, memory_order_relaxed);
    return bytes;
}

bool slices_wait_for_purges(void) {
    struct timespec pause = {0, PURGE_PAUSE};
    bool waited = false;
    for (int i = 0; i < PURGE_PAUSES && atomic_load_explicit(&lock_page.purging, memory_order_acquire) > 0; i++) {
        (void)sys2(SYS_nanosleep, (long)&pause, 0);
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

void slices_bounds(enum slices_zone zone, size_t *first, size_t *end) {
    *first = zones[zone].first;
    *end = atomic_load_explicit(&zones[zone].writable, memory_order_acquire);
}
uint64_t slices_reserved(void) {
    return reserved_bytes;
}
uint64_t slices_purged(void) {
    return atomic_load_explicit(&purged_bytes, memory_order_relaxed);
}

bool slices_guarded(void) {
    return guarded;
}

size_t slices_next_used(enum slices_zone zone, size_t index, size_t end) {
    const struct zone *z = &zones[zone];
    return z->first + find_bit(bits(&z->free), false, index - z->first, end - z->first);
}
