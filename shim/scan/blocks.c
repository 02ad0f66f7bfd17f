/* See blocks.h. */
#include "shim/scan/blocks.h"
#include "shim/arena/arena.h"
#include "shim/arena/heap.h"
#include "shim/base/sys.h"

#include <stdatomic.h>

#define SLICE_BITS (SLICE / 16)

static struct {
    size_t first[2], count[2]; /* of each zone's slices, those that were ever writable */
    uint64_t *planes;
    size_t words; /* of one */
    size_t live;
    uintptr_t emergency;
} map_;

/* SIZE_MAX: of no slice that was ever used. */
static size_t bit_of(uintptr_t address) {
    size_t slice = (address - arena.base) >> SLICE_SHIFT;
    for (int zone = 0; zone < 2; zone++)
        if (slice - map_.first[zone] < map_.count[zone])
            return (slice - map_.first[zone] + (zone ? map_.count[0] : 0)) * SLICE_BITS +
                   ((address & (SLICE - 1)) >> 4);
    return SIZE_MAX;
}

static uint64_t *word_of(enum blocks_plane plane, size_t bit) {
    return &map_.planes[(size_t)plane * map_.words + bit / 64];
}

bool blocks_bit(enum blocks_plane plane, const char *start) {
    size_t bit = bit_of((uintptr_t)start);
    return bit != SIZE_MAX && (*word_of(plane, bit) >> bit % 64 & 1);
}

bool blocks_set(enum blocks_plane plane, const char *start) {
    size_t bit = bit_of((uintptr_t)start);
    if (bit == SIZE_MAX) return true;
    uint64_t *word = word_of(plane, bit), before = *word;
    *word = before | 1ull << bit % 64;
    return before >> bit % 64 & 1;
}

bool blocks_bit_before(enum blocks_plane plane, const char *start) {
    for (enum blocks_plane p = BLOCKS_REACHED; p < plane; p++)
        if (blocks_bit(p, start)) return true;
    return false;
}

static void clear_live(const char *start) {
    size_t bit = bit_of((uintptr_t)start);
    if (bit != SIZE_MAX) *word_of(BLOCKS_LIVE, bit) &= ~(1ull << bit % 64);
}

/* --- which places hold a block --- */

/* Links may be damaged: each is looked at before it is followed, and there are no more than places. */
static void clear_list(const struct slab *s, const struct link *list) {
    const char *start = slab_start(s);
    uint32_t capacity = slab_capacity(s);
    for (uint32_t n = 0; list && list != &slab_nil && n <= capacity; n++, list = link_follow(list)) {
        size_t offset = (size_t)((const char *)list - start);
        if (offset >= (size_t)capacity * s->size) return;
        clear_live((const char *)list);
    }
}

static void add_slab(struct slab *s) {
    uint32_t capacity = slab_capacity(s);
    if (capacity > s->reserved || s->reserved > SLICE / 16) return; /* being made just now */
    bool tracked = (slab_owner_word(s) & OWNER_TRACKED) != 0;
    const struct side *sides = tracked ? slices_side(s) : NULL;
    for (uint32_t i = 0; i < capacity; i++)
        if (!tracked || SIDE_IS_LIVE(atomic_load_explicit(&sides[i].state, memory_order_relaxed)))
            (void)blocks_set(BLOCKS_LIVE, slab_start(s) + (size_t)i * s->size);
    if (tracked) return;
    uint64_t remote = atomic_load_explicit(&s->remote, memory_order_relaxed);
    clear_list(s, s->free);
    clear_list(s, s->local_free);
    if (!(remote & (REMOTE_CLAIMED | REMOTE_GIVEN))) clear_list(s, REMOTE_POINTER(remote));
}

static size_t see_slice(struct slab *s) {
    size_t slices = s->kind == KIND_SLAB ? s->slices : s->kind == KIND_RUN || s->kind == KIND_KEPT ? s->run.slices : 1;
    if (s->kind == KIND_SLAB) add_slab(s);
    if (s->kind == KIND_EMERGENCY) map_.emergency = (uintptr_t)slab_start(s);
    if (s->kind == KIND_RUN &&
        (!s->run.tracked || SIDE_IS_LIVE(atomic_load_explicit(&s->run.side.state, memory_order_relaxed))))
        (void)blocks_set(BLOCKS_LIVE, slab_start(s));
    return slices > 0 ? slices : 1;
}

bool blocks_begin(void) {
    size_t slices = 0;
    for (int zone = 0; zone < 2; zone++) {
        size_t end;
        slices_bounds((enum slices_zone)zone, &map_.first[zone], &end);
        map_.count[zone] = end - map_.first[zone];
        slices += map_.count[zone];
    }
    map_.words = slices * SLICE_BITS / 64;
    map_.live = 0;
    map_.planes = slices ? sys_mmap(NULL, map_.words * 8 * BLOCKS_PLANES, PROT_READ | PROT_WRITE, MAP_NORESERVE) : NULL;
    if (!map_.planes) return false;
    for (int zone = 0; zone < 2; zone++) {
        size_t end = map_.first[zone] + map_.count[zone];
        for (size_t i = map_.first[zone]; (i = slices_next_used((enum slices_zone)zone, i, end)) < end;)
            i += see_slice(&arena_slabs[i]);
    }
    for (size_t i = 0; i < map_.words; i++) map_.live += (size_t)__builtin_popcountll(map_.planes[i]);
    return true;
}

void blocks_end(void) {
    if (map_.planes) sys_munmap(map_.planes, map_.words * 8 * BLOCKS_PLANES);
    map_.planes = NULL;
    map_.words = 0;
}

bool blocks_next_span(uintptr_t *from, uintptr_t end) {
    for (int zone = 0; zone < 2; zone++) {
        uintptr_t first = arena.base + (map_.first[zone] << SLICE_SHIFT),
                  last = first + (map_.count[zone] << SLICE_SHIFT);
        for (uintptr_t at = max_size(*from, first); at < min_size(end, last); at = round_down(at, SLICE) + SLICE) {
            uint8_t kind = slab_head(slab_of((const void *)at))->kind;
            if (kind != KIND_SLAB && kind != KIND_RUN) continue;
            *from = at;
            return true;
        }
    }
    return false;
}

uintptr_t blocks_emergency(void) {
    return map_.emergency;
}

size_t blocks_count(void) {
    return map_.live;
}

bool blocks_are_at(uintptr_t address) {
    return map_.planes && address - (uintptr_t)map_.planes < map_.words * 8 * BLOCKS_PLANES;
}

/* --- from an address --- */

static bool is_live(const char *start) {
    return blocks_bit(BLOCKS_LIVE, start);
}

static bool find_in_run(struct slab *s, uintptr_t address, struct block *block, char **past) {
    size_t offset = address - (uintptr_t)slab_start(s);
    if (!is_live(slab_start(s))) return false;
    const struct side *side = s->run.tracked ? &s->run.side : NULL;
    *block = (struct block){slab_start(s), side ? side->size : s->run.bytes, side};
    if (block->size > s->run.bytes) block->size = s->run.bytes;
    if (offset < s->run.bytes) return true;
    if (offset == s->run.bytes) *past = block->start;
    return false;
}

static bool find_in_slab(struct slab *s, uintptr_t address, struct block *block, char **past) {
    uint32_t place = slab_place(s, (const void *)address);
    char *start = slab_start(s) + (size_t)place * s->size;
    if (place >= slab_capacity(s) || !is_live(start)) {
        /* It may be meant for the block before, whose end this is. (Where a block begins, it is meant for that one.) */
        if ((uintptr_t)start == address && place > 0 && is_live(start - s->size)) *past = start - s->size;
        return false;
    }
    const struct side *side = slab_owner_word(s) & OWNER_TRACKED ? &slices_side(s)[place] : NULL;
    *block = (struct block){start, side ? min_size(s->size, side->size) : s->size, side};
    return true;
}

bool blocks_find(uintptr_t address, struct block *block, char **past) {
    struct slab *s = slab_of((const void *)address);
    *past = NULL;
    if (!s || bit_of(address) == SIZE_MAX) return false;
    s = slab_head(s);
    if (s->kind == KIND_SLAB) return find_in_slab(s, address, block, past);
    return s->kind == KIND_RUN && find_in_run(s, address, block, past);
}

void blocks_each(void (*see)(void *context, const struct block *block), void *context) {
    for (size_t i = 0; i < map_.words; i++) {
        for (uint64_t word = map_.planes[i]; word; word &= word - 1) {
            size_t bit = i * 64 + (size_t)__builtin_ctzll(word), slice = bit / SLICE_BITS;
            slice = slice < map_.count[0] ? map_.first[0] + slice : map_.first[1] + slice - map_.count[0];
            uintptr_t start = arena.base + (slice << SLICE_SHIFT) + bit % SLICE_BITS * 16;
            struct block block;
            char *past;
            if (blocks_find(start, &block, &past)) see(context, &block);
        }
    }
}
