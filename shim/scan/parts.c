/* See parts.h. Sorted by where they begin; they do not overlap, or the one that begins last counts. */
#include "shim/scan/parts.h"
#include "shim/base/sys.h"
#include "shim/box/memory.h"
#include "shim/box/pools.h"
#include "shim/ceiling/pages.h"

#define BIT(plane) (uint8_t)(1u << (plane))

struct entry {
    struct range range;
    uint8_t planes;
    bool ignored, inherited;
};

size_t parts_count;
struct range parts_outside;
static struct entry *entries;
static uint32_t *waiting; /* behind the entries */
static size_t waiting_count, room, mapped;
static const struct entry *origin; /* whose words are looked at: it does not lead to itself */

static void count(void *context, const struct part *part) {
    (void)context, (void)part;
    room++;
}

/* What is unmapped has no parts any more, whoever has mapped something there since. */
static bool is_programs(uintptr_t address) {
    uintptr_t page = round_down(address, PAGE);
    if (page >= PAGES_END) return false;
    return pages_count(PAGES_OURS, page, PAGE) > 0 || pages_count(PAGES_MAPPED, page, PAGE) > 0 ||
           memory_is_of_module(address);
}

static void add(void *context, const struct part *part) {
    struct block block;
    char *past;
    bool outside = part->start - arena.base >= arena.slices << SLICE_SHIFT;
    (void)context;
    if (parts_count == room || !pools_holds(part)) return;
    if (outside ? !is_programs(part->start) : !blocks_find(part->start, &block, &past)) return;
    if (outside) {
        parts_outside.from = min_size(parts_outside.from, part->start);
        parts_outside.end = max_size(parts_outside.end, part->start + part->size + 1);
    }
    entries[parts_count++] = (struct entry){
        .range = {part->start, part->start + part->size}, .ignored = part->ignored, .inherited = part->inherited};
}

static void sift_down(size_t at, size_t n) {
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && entries[child + 1].range.from > entries[child].range.from) child++;
        if (entries[child].range.from <= entries[at].range.from) return;
        struct entry swap = entries[at];
        entries[at] = entries[child];
        entries[child] = swap;
    }
}

static void sort(void) {
    for (size_t i = parts_count / 2; i-- > 0;) sift_down(i, parts_count);
    for (size_t n = parts_count; n-- > 1;) {
        struct entry swap = entries[0];
        entries[0] = entries[n];
        entries[n] = swap;
        sift_down(0, n);
    }
}

bool parts_begin(void) {
    parts_count = waiting_count = room = mapped = 0;
    origin = NULL;
    parts_outside = (struct range){UINTPTR_MAX, 0};
    if (pools_any()) pools_each(count, NULL);
    if (room == 0) return true;
    mapped = round_up(room * (sizeof *entries + sizeof *waiting), PAGE);
    entries = sys_mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_NORESERVE);
    if (!entries) return false;
    waiting = (uint32_t *)(void *)(entries + room);
    pools_each(add, NULL);
    sort();
    return true;
}

void parts_end(void) {
    if (entries) sys_munmap(entries, mapped);
    entries = NULL;
    parts_count = 0;
}

bool parts_is_at(uintptr_t address) {
    return entries && address - (uintptr_t)entries < mapped;
}

/* The number of those that begin at or before the address. */
static size_t upto(uintptr_t address) {
    size_t low = 0, high = parts_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (entries[middle].range.from <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct range *parts_first(uintptr_t from, uintptr_t end) {
    size_t i = upto(from);
    if (i > 0 && entries[i - 1].range.end > from) return &entries[i - 1].range;
    return i < parts_count && entries[i].range.from < end ? &entries[i].range : NULL;
}

static void put(struct entry *e, enum blocks_plane plane) {
    uint8_t earlier = (uint8_t)(BIT(plane + 1) - BIT(BLOCKS_REACHED));
    if (e == origin || (e->planes & earlier)) return;
    e->planes |= BIT(plane);
    waiting[waiting_count++] = (uint32_t)(e - entries);
}

void parts_put(uintptr_t word, enum blocks_plane plane) {
    if (word < entries[0].range.from) return;
    struct entry *e = &entries[upto(word) - 1];
    if (word < e->range.end)
        put(e, plane);
    else if (word == e->range.end && plane != BLOCKS_INDIRECT)
        e->planes |= BIT(BLOCKS_PAST);
}

void parts_put_all(uintptr_t from, uintptr_t end, enum blocks_plane plane) {
    for (size_t i = upto(from - 1); i < parts_count && entries[i].range.from < end; i++) put(&entries[i], plane);
}

bool parts_take(struct range *part) {
    if (waiting_count == 0) return false;
    *part = entries[waiting[--waiting_count]].range;
    return true;
}

void parts_begin_plane(enum blocks_plane plane, void (*look)(const struct range *part)) {
    for (size_t i = 0; i < parts_count; i++) {
        struct entry *e = &entries[i];
        if ((plane == BLOCKS_REACHED && e->ignored) || (plane == BLOCKS_POSSIBLE && (e->planes & BIT(BLOCKS_PAST))))
            put(e, plane);
        if (plane != BLOCKS_INDIRECT || (e->planes & (BIT(BLOCKS_INDIRECT + 1) - BIT(BLOCKS_REACHED)))) continue;
        origin = e;
        look(&e->range);
        origin = NULL;
    }
}

enum dump_verdict parts_verdict(uintptr_t start, bool certain) {
    size_t i = upto(start);
    if (i == 0 || entries[i - 1].range.from != start) return DUMP_UNKNOWN;
    uint8_t planes = entries[i - 1].planes;
    if (planes & BIT(BLOCKS_REACHED)) return DUMP_IN_USE;
    if (!certain || (planes & BIT(BLOCKS_POSSIBLE))) return DUMP_POSSIBLE;
    return planes & BIT(BLOCKS_INDIRECT) ? DUMP_INDIRECT : DUMP_LEAKED;
}

void parts_each(void (*see)(void *context, const struct range *part), void *context) {
    for (size_t i = 0; i < parts_count; i++)
        if (!entries[i].inherited) see(context, &entries[i].range);
}
