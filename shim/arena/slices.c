/* The slice allocator; see slices.h. Bitmaps under LOCK_SLICES; what the slices hold is retain.c's.
 *
 * A fork may find the bitmaps half written. Taking clears bits before anything else, giving sets them last: what a
 * child can find is a span that is free for nobody.
 *
 * Spans are looked for first fit, which keeps them together. So that the search does not read the whole bitmap, a bound
 * is kept for each stretch of 512 slices, and for 64 stretches together: no free span that begins in it is longer.
 * Who makes a span, or leaves the rest of one, raises the bounds where it begins, the rest's to more than it may be; a
 * search that finds nothing in a stretch lowers its bound to what it saw. (A fork may find a bound too low: then a span
 * is free for nobody.)
 */
#include "shim/arena/zones.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/options.h"
#include "shim/base/start.h"
#include "shim/base/sys.h"

#include <elf.h>
#include <stdatomic.h>

#define CHUNK_SLICES  ((size_t)512) /* 32 MiB are made writable at a time */
#define STRETCH       ((size_t)512) /* slices that have a bound in common; a power of two */
#define STRETCHES     ((size_t)64)  /* of those, again */
#define NEAR          ((size_t)128)
#define BOUND_MAX     UINT16_MAX /* slices; stands for any longer span */
#define WINDOW        ((size_t)1 << WINDOW_SHIFT)
#define SMALLEST      (128 * SLICE)                /* less is no arena */
#define SPREAD_SLICES (WINDOW >> SLICE_SHIFT >> 4) /* its use begins at a random chunk of this part: 64 GiB */

struct arena arena;
uintptr_t arena_mask;
struct link slab_nil ALIGNED(16);
#ifdef WEIR_ENCODE
uintptr_t link_key;
#endif
struct slab slab_empty = {.free = &slab_nil};
struct slab *arena_slabs = &slab_empty;

struct zone zones[2];
bool slices_guard;
static bool dear; /* address space costs much here, so that there is less */

char *slices_sides; /* NULL: there are none */
static uint64_t reserved_bytes;

/* --- start --- */

/* The whole window, aligned; NULL where address space is limited. */
static char *reserve_window(void) {
    if (region_address_limit() != SIZE_MAX) return NULL;
    /* Not MAP_NORESERVE: the kernel is to judge a huge request as it judges anybody's (vm.overcommit_memory). */
    char *p = sys_reserve(2 * WINDOW, 0);
    if (!p) return NULL;
    char *at = (char *)round_up((uintptr_t)p, WINDOW);
    sys_trim_reserved(p, 2 * WINDOW, at, WINDOW);
    return at;
}

/* Natively address space costs nothing until it is used: microseconds. An emulator may keep a note of every page of it.
 */
#define PROBE        (1 * GIB)
#define PROBE_DEAR   1000000u   /* ns */
#define START_BUDGET 200000000u /* ns that all of it may cost there */
#define DEAR_MIN     (2 * GIB)

/* What PROBE costs, ns; 0: nothing to speak of. Other work may have come in between, so more than one look decides. */
static uint64_t cost_of_probe(void) {
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 3; i++) {
        uint64_t begin = clock_now();
        char *p = sys_mmap(NULL, PROBE, PROT_NONE, MAP_NORESERVE);
        if (!p) return 0;
        sys_munmap(p, PROBE);
        uint64_t cost = clock_now() - begin;
        if (cost < PROBE_DEAR) return 0;
        if (cost < least) least = cost;
    }
    return least;
}

size_t slices_plan(bool with_sides) {
    static size_t planned; /* asked for twice, probed once */
    if (planned) return planned;
    if (options.window) return planned = min_size(max_size(round_down(options.window, SMALLEST), SMALLEST), WINDOW);
    uint64_t cost = region_address_limit() == SIZE_MAX ? cost_of_probe() : 0;
    if (cost == 0) return planned = WINDOW;
    dear = true;
    size_t n = round_down(PROBE / cost * START_BUDGET / (with_sides ? 2 : 1), SMALLEST);
    return planned = min_size(max_size(n, DEAR_MIN), WINDOW / 2);
}

/* As much as there is, up to a share of the limit: the program needs address space of its own. */
static char *reserve_less(size_t *n, size_t most, bool with_sides) {
    size_t limit = region_address_limit();
    *n = max_size(min_size(limit == SIZE_MAX ? WINDOW / 2 : limit / (with_sides ? 4 : 2), most), SMALLEST);
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
    size_t bitmap = (end - first) / 8, stretches = (end - first + STRETCH - 1) / STRETCH;
    return region_reserve(&z->free, bitmap, false) && region_reserve(&z->dirty, bitmap, false) &&
           region_reserve(&z->old, bitmap, false) && region_reserve(&z->bounds, stretches * sizeof(uint16_t), false);
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
    slices_guard = guard;
    size_t n = WINDOW, plan = slices_plan(with_sides);
    char *base = plan < WINDOW ? NULL : reserve_window();
    if (!base) {
        base = reserve_less(&n, plan, with_sides);
        arena.small = true;
    }
    if (!base) return false;
    size_t slices = n >> SLICE_SHIFT;
    char *table = sys_reserve(slices * sizeof(struct slab) + 2 * PAGE, MAP_NORESERVE);
    if (!table || !sys_mprotect(table + PAGE, slices * sizeof(struct slab), PROT_READ)) return false;
    if (with_sides) slices_sides = sys_reserve(slices / 2 * SIDE_PER_SLICE, MAP_NORESERVE);
    if (!start_zone(&zones[ZONE_LOW], table + PAGE, arena.small ? 0 : random_start(), slices / 2) ||
        !start_zone(&zones[ZONE_HIGH], table + PAGE, slices / 2, slices)) {
        return false;
    }
    reserved_bytes = n + slices * sizeof(struct slab) + (slices_sides ? slices / 2 * SIDE_PER_SLICE : 0);
    arena_slabs = (struct slab *)(void *)(table + PAGE);
    /* In a small arena the fast free only has to stay inside the table: no slab there compares with a heap. */
    arena_mask = ((1ul << (63 - __builtin_clzl(slices))) - 1) * sizeof(struct slab);
    arena.base = (uintptr_t)base;
    arena.slices = slices;
    return true;
}

bool slices_are_dear(void) {
    return dear;
}

bool slices_has_sides(void) {
    return slices_sides != NULL;
}
struct side *slices_side(const struct slab *s) {
    return (struct side *)(void *)(slices_sides + slab_index(s) * SIDE_PER_SLICE);
}

/* --- bitmaps --- */

static void set_range(uint64_t *map, size_t from, size_t count) {
    for (; count > 0;) {
        size_t bit = from & 63, n = min_size(64 - bit, count);
        zone_set_word(map, from >> 6, zone_word(map, from >> 6) | (n == 64 ? ~0ull : ((1ull << n) - 1)) << bit);
        from += n, count -= n;
    }
}

static void clear_range(uint64_t *map, size_t from, size_t count) {
    for (; count > 0;) {
        size_t bit = from & 63, n = min_size(64 - bit, count);
        zone_set_word(map, from >> 6, zone_word(map, from >> 6) & ~((n == 64 ? ~0ull : ((1ull << n) - 1)) << bit));
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

/* --- bounds --- */

_Static_assert(STRETCH *STRETCHES == 32768, "as many bounds as zones.h has room for");

static uint16_t *bound_of(const struct zone *z, size_t at) {
    return (uint16_t *)(void *)z->bounds.base + at / STRETCH;
}
static uint16_t *bound_of_many(struct zone *z, size_t at) {
    return &z->bounds_of_many[at / (STRETCH * STRETCHES)];
}

/* A span of free slices begins here. */
static void raise_bounds(struct zone *z, size_t at, size_t length) {
    uint16_t bound = (uint16_t)min_size(length, BOUND_MAX), *one = bound_of(z, at), *many = bound_of_many(z, at);
    if (*one < bound) *one = bound;
    if (*many < bound) *many = bound;
}

/* The first slice of the free span that slice `at` lies in; or one in its middle, when it begins so far back that its
 * bound is the largest already. */
static size_t span_start(const uint64_t *map, size_t at) {
    size_t least = at > BOUND_MAX ? at - BOUND_MAX : 0;
    while (at > least) {
        uint64_t below = ~zone_word(map, (at - 1) >> 6) << (63 - ((at - 1) & 63)); /* bits up to at - 1, at the top */
        if (below) return at - (size_t)__builtin_clzll(below);
        at = (at - 1) & ~(size_t)63;
    }
    return at;
}

void zone_freed(struct zone *z, size_t at, size_t count) {
    const uint64_t *map = zone_bits(&z->free);
    size_t end = z->writable - z->first, start = span_start(map, at);
    size_t length = find_bit(map, false, at + count, min_size(end, start + BOUND_MAX)) - start;
    raise_bounds(z, start, length);
    z->hint = min_size(z->hint, at >> 6);
    z->dirty_hint = min_size(z->dirty_hint, at >> 6);
}

/* Alignment is the address's, not the index's; both count slices. */
static size_t align_address(const struct zone *z, size_t at, size_t align) {
    size_t bias = (arena.base >> SLICE_SHIFT) + z->first;
    return round_up(bias + at, align) - bias;
}

/* The first span of so many that begins in the stretch from `at` on, else SIZE_MAX and *longest is what there is. */
static size_t find_in_stretch(struct zone *z, size_t at, size_t count, size_t align, size_t *longest) {
    const uint64_t *map = zone_bits(&z->free);
    size_t end = z->writable - z->first, stretch_end = min_size(round_down(at, STRETCH) + STRETCH, end);
    *longest = 0;
    /* What goes on from the stretch before began there. */
    if (at > 0 && (zone_word(map, (at - 1) >> 6) >> ((at - 1) & 63) & 1)) at = find_bit(map, false, at, stretch_end);
    while ((at = find_bit(map, true, at, stretch_end)) < stretch_end) {
        size_t span_end = find_bit(map, false, at, end), aligned = align_address(z, at, align);
        if (aligned + count <= span_end) return aligned;
        *longest = max_size(*longest, span_end - at);
        at = span_end;
    }
    return SIZE_MAX;
}

static size_t find_span(struct zone *z, size_t count, size_t align) {
    size_t end = z->writable - z->first, wanted = min_size(count, BOUND_MAX);
    z->hint = find_bit(zone_bits(&z->free), true, z->hint << 6, end) >> 6;
    for (size_t at = round_down(z->hint << 6, STRETCH); at < end; at += STRETCH) {
        uint16_t *many = bound_of_many(z, at), *one = bound_of(z, at);
        if (at % (STRETCH * STRETCHES) == 0) {
            if (*many < wanted) {
                at += STRETCH * (STRETCHES - 1);
                continue;
            }
            *many = 0; /* known anew when its stretches have been looked at, if nothing is found in them */
            for (size_t i = 0; i < STRETCHES && at + i * STRETCH < end; i++)
                if (*many < one[i]) *many = one[i];
        }
        if (*one < wanted) continue;
        size_t longest, found = find_in_stretch(z, at, count, align, &longest);
        if (found != SIZE_MAX) return found;
        *one = (uint16_t)min_size(longest, BOUND_MAX);
    }
    return SIZE_MAX;
}

/* One slice, rather one with memory; SIZE_MAX: none is free. */
static size_t find_slice(struct zone *z) {
    const uint64_t *map = zone_bits(&z->free), *dirty = zone_bits(&z->dirty);
    size_t end = z->writable - z->first, words = (end + 63) >> 6;
    for (; z->dirty_hint < words; z->dirty_hint++) {
        uint64_t word = zone_word(map, z->dirty_hint) & zone_word(dirty, z->dirty_hint);
        if (word) return (z->dirty_hint << 6) + (size_t)__builtin_ctzll(word);
    }
    size_t at = find_bit(map, true, z->hint << 6, end);
    z->hint = at >> 6;
    return at < end ? at : SIZE_MAX;
}

/* --- growing --- */

static bool make_writable(struct zone *z, size_t upto) {
    size_t from = z->writable, count = upto - from, last = upto - z->first;
    if (upto > z->end || !region_commit(&z->slabs, last * sizeof(struct slab))) return false;
    size_t bitmap = round_up(last, 64) / 8;
    if (!region_commit(&z->free, bitmap) || !region_commit(&z->dirty, bitmap) || !region_commit(&z->old, bitmap) ||
        !region_commit(&z->bounds, (last + STRETCH - 1) / STRETCH * sizeof(uint16_t))) {
        return false;
    }
    char *at = (char *)arena.base + (from << SLICE_SHIFT);
    if (!sys_open_reserved(at, count << SLICE_SHIFT)) return false;
    if (z == &zones[ZONE_LOW]) {
        /* A huge page would make 2 MiB resident for the 4 KiB that were charged. */
        (void)sys_madvise(at, count << SLICE_SHIFT, MADV_NOHUGEPAGE);
        if (slices_sides && !sys_open_reserved(slices_sides + from * SIDE_PER_SLICE, count * SIDE_PER_SLICE)) {
            return false;
        }
    }
    set_range(zone_bits(&z->free), from - z->first, count);
    atomic_store_explicit(&z->writable, upto, memory_order_release);
    zone_freed(z, from - z->first, count);
    return true;
}

/* Makes room for a span at the zone's end; where it will begin, or SIZE_MAX. */
static size_t grow_for(struct zone *z, size_t count, size_t align) {
    size_t used_end = z->writable - z->first;
    while (used_end > 0 && (zone_bits(&z->free)[(used_end - 1) >> 6] >> ((used_end - 1) & 63) & 1)) used_end--;
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

static void take_bits(struct zone *z, size_t at, size_t count) {
    clear_range(zone_bits(&z->free), at, count);
    clear_range(zone_bits(&z->dirty), at, count);
    clear_range(zone_bits(&z->old), at, count);
    /* What is left of the span begins behind it; its length is not looked for far. */
    size_t rest = at + count, end = z->writable - z->first, near = min_size(end, rest + NEAR);
    size_t rest_end = rest < end ? find_bit(zone_bits(&z->free), false, rest, near) : rest;
    if (rest_end > rest) raise_bounds(z, rest, rest_end == near ? BOUND_MAX : rest_end - rest);
}

static struct slab *take_in(struct zone *z, size_t count, size_t align) {
    lock_take(LOCK_SLICES);
    size_t at = count == 1 && align == 1 ? find_slice(z) : find_span(z, count, align);
    if (at == SIZE_MAX) at = grow_for(z, count, align);
    if (at != SIZE_MAX) take_bits(z, at, count);
    lock_give(LOCK_SLICES);
    return at == SIZE_MAX ? NULL : &arena_slabs[z->first + at];
}

/* A guard makes one mapping three; the kernel allows 65,530 (vm.max_map_count), of which the program needs some. */
#define GUARDS_MAX 16000
static _Atomic uint32_t guards;

static void make_guard(struct slab *s) {
    if (atomic_load_explicit(&guards, memory_order_relaxed) >= GUARDS_MAX) return;
    s->slice.guards = sys_mprotect(slab_start(s), SLICE, PROT_NONE);
    if (s->slice.guards) atomic_fetch_add_explicit(&guards, 1, memory_order_relaxed);
}

static void end_guard(struct slab *s) {
    if (!s->slice.guards || !sys_mprotect(slab_start(s), SLICE, PROT_READ | PROT_WRITE)) return;
    s->slice.guards = false;
    atomic_fetch_sub_explicit(&guards, 1, memory_order_relaxed);
}

struct slab *slices_take(enum slices_zone zone, size_t count, size_t align) {
    count += slices_guard;
    struct slab *s = take_in(&zones[zone], count, align);
    /* A small arena's zones help each other out; but only the low one has side arrays. */
    if (!s && arena.small && !slices_sides) s = take_in(&zones[!zone], count, align);
    if (s && slices_guard) make_guard(s + count - 1);
    return s;
}

bool slices_take_at(struct slab *s, size_t count) {
    if (slices_guard) return false; /* a guard is in the way */
    size_t index = slab_index(s);
    struct zone *z = zone_of_slice(index);
    if (index + count > z->end) return false;
    size_t at = index - z->first;
    lock_take(LOCK_SLICES);
    /* Past the writable end all is free: the zone's last run may always grow. */
    size_t known = min_size(at + count, z->writable - z->first);
    bool ok = at >= known || find_bit(zone_bits(&z->free), false, at, known) == known;
    if (ok && index + count > z->writable) ok = grow_for(z, count, 1) == at;
    if (ok) take_bits(z, at, count);
    lock_give(LOCK_SLICES);
    return ok;
}

void slices_give(struct slab *s, size_t count) {
    size_t index = slab_index(s);
    struct zone *z = zone_of_slice(index);
    size_t at = index - z->first;
    bool any_dirty = false;
    if (slices_guard) end_guard(s + count++);
    for (size_t i = 0; i < count; i++) {
        s[i].kind = KIND_NONE;
        slab_set_owner_word(&s[i], NO_OWNER);
        any_dirty |= slice_is_dirty(&s[i]);
    }
    lock_take(LOCK_SLICES);
    for (size_t i = 0; any_dirty && i < count; i++)
        if (slice_is_dirty(&s[i])) set_range(zone_bits(&z->dirty), at + i, 1);
    set_range(zone_bits(&z->free), at, count);
    zone_freed(z, at, count);
    lock_give(LOCK_SLICES);
    if (any_dirty) slices_begin_wait();
}

/* --- walking --- */

void slices_bounds(enum slices_zone zone, size_t *first, size_t *end) {
    *first = zones[zone].first;
    *end = atomic_load_explicit(&zones[zone].writable, memory_order_acquire);
}
uint64_t slices_reserved(void) {
    return reserved_bytes;
}

bool slices_guarded(void) {
    return slices_guard;
}

size_t slices_next_used(enum slices_zone zone, size_t index, size_t end) {
    const struct zone *z = &zones[zone];
    return z->first + find_bit(zone_bits(&z->free), false, index - z->first, end - z->first);
}
size_t slices_next_retained(enum slices_zone zone, size_t index, size_t end) {
    const struct zone *z = &zones[zone];
    return z->first + find_bit(zone_bits(&z->dirty), true, index - z->first, end - z->first);
}
