/* See mark.h. Each block is looked into once: so the time is that of reading all blocks, and the list of those that
 * wait has room for each. */
#include "reporter/load/core/mark.h"

#include <string.h>
#include <sys/mman.h>

#include "reporter/load/search.h"
#include "reporter/load/sums.h"

#define NO_PART SIZE_MAX

static void *list_of(uint64_t most, size_t size) {
    return mmap(NULL, (size_t)(most + 1) * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                -1, 0);
}

bool mark_begin(struct mark *mark, struct making *m) {
    uint64_t tags = core_word(m->core, m->t.search.at_tags);
    bool unaligned = core_byte(m->core, m->t.search.at_unaligned) == 1;
    *mark = (struct mark){.places = m->places, .step = unaligned ? 1 : sizeof(uint64_t), .mask = ~tags};
    if (!mapped_open(&mark->memory, m->core)) return false;
    mark->entries = mark->memory;
    mark->part_origin = NO_PART;
    mark->part_waiting = list_of(m->places->parts.count, sizeof *mark->part_waiting);
    mark->waiting = list_of(m->places->live, sizeof *mark->waiting);
    return mark->waiting != MAP_FAILED && mark->part_waiting != MAP_FAILED;
}

void mark_end(struct mark *mark) {
    (void)munmap(mark->part_waiting, (mark->places->parts.count + 1) * sizeof *mark->part_waiting);
    (void)munmap(mark->waiting, (size_t)(mark->places->live + 1) * sizeof *mark->waiting);
    mapped_close(&mark->memory);
}

/* --- a block --- */

struct found {
    uint64_t start, number, past; /* past: the number of the one that the address lies just behind; PLACE_NONE */
};

static bool is_live(const struct places *p, uint64_t number) {
    return p->bytes[number] & PLACE_LIVE;
}

/* The place in its span; most are of slabs, whose offsets are small. */
static uint64_t place_in(const struct places_span *s, uint64_t offset) {
    if (offset < s->size) return 0;
    return (offset | s->size) >> 32 ? offset / s->size : (uint32_t)offset / (uint32_t)s->size;
}

/* False: it is no live block's. Where a block begins, the word is meant for that one, not for the one before. */
static inline bool find(const struct places *p, uint64_t address, struct found *found) {
    const struct places_span *s = places_span(p, address);
    found->past = PLACE_NONE;
    if (!s) return false;
    uint64_t place = place_in(s, address - s->start);
    found->number = s->first + place;
    found->start = s->start + place * s->size;
    if (address < s->end && is_live(p, found->number)) return true;
    if (address <= s->end && address == found->start && place > 0 && is_live(p, found->number - 1))
        found->past = found->number - 1;
    return false;
}

/* Bytes that may hold something: asked for, where it is tracked. */
static uint64_t size_of(struct mark *mark, const struct places_span *s, uint64_t start) {
    struct core_side entry;
    uint64_t there = 0, at = s->entries + (start - s->start) / s->size * sizeof entry;
    const char *bytes = s->entries ? mapped_at(&mark->entries, at, &there) : NULL;
    if (!bytes || there < sizeof entry) return s->size;
    memcpy(&entry, bytes, sizeof entry);
    return places_size(s, &entry);
}

/* --- looking --- */

/* Whether an earlier plane has it, or this one by now. */
static bool is_known(const struct mark *mark, unsigned char byte) {
    return byte & (PLACE_REACHED | PLACE_POSSIBLE | PLACE_INDIRECT) & (2u * mark->plane - 1);
}

/* The word leads to a part, if to any. */
static void put_part(struct mark *mark, size_t i) {
    unsigned char *byte = &mark->places->parts.bytes[i];
    if (i == mark->part_origin || is_known(mark, *byte)) return;
    *byte |= mark->plane;
    mark->part_waiting[mark->part_count++] = (uint32_t)i;
}

static void see_in_parts(struct mark *mark, uint64_t word) {
    const struct parts *parts = &mark->places->parts;
    if (word < parts->all[0].start || word > parts->all[parts->count - 1].end) return;
    size_t i = search_upto(parts->all, parts->count, sizeof *parts->all, word);
    if (word < parts->all[i - 1].end)
        put_part(mark, i - 1);
    else if (word == parts->all[i - 1].end && mark->plane != PLACE_INDIRECT)
        parts->bytes[i - 1] |= PLACE_PAST;
}

/* Something points just behind it. That is how it was found, until something points into it. */
static void put_past(struct places *p, uint64_t number, uint64_t from) {
    bool first = !(p->bytes[number] & (PLACE_PAST | PLACE_REACHED | PLACE_POSSIBLE));
    p->bytes[number] |= PLACE_PAST;
    if (first && p->from) p->from[number] = from;
}

static void see_words(void *context, const char *bytes, uint64_t n, uint64_t address) {
    struct mark *mark = context;
    struct places *p = mark->places;
    uint64_t base = p->window.start, size = p->window.end - base, mask = mark->mask;
    uint64_t first = mark->step == 1 ? 0 : -address & 7;
    for (uint64_t at = first; at + sizeof(uint64_t) <= n; at += mark->step) {
        uint64_t word;
        struct found found;
        memcpy(&word, bytes + at, sizeof word);
        word &= mask;
        if (p->parts.count) see_in_parts(mark, word);
        if (word - base >= size) continue;
        if (!find(p, word, &found)) {
            if (found.past != PLACE_NONE && mark->plane != PLACE_INDIRECT) put_past(p, found.past, address + at);
            continue;
        }
        if (found.start == mark->origin || is_known(mark, p->bytes[found.number])) continue;
        p->bytes[found.number] |= mark->plane;
        if (p->from) p->from[found.number] = address + at;
        mark->waiting[mark->count++] = found.start;
    }
}

/* The end of the first stretch of [from, end) that is of no part; *next: where there may be another one. */
static uint64_t up_to_part(const struct mark *mark, uint64_t from, uint64_t end, uint64_t *next) {
    const struct parts *parts = &mark->places->parts;
    const struct part *part = parts->count ? parts_first(parts, from, end) : NULL;
    *next = part ? (part->end + mark->step - 1) & ~(uint64_t)(mark->step - 1) : end;
    if (!part) return end;
    return part->start > from ? part->start : from;
}

/* Where nothing leads to a block itself, its parts are no better off. */
static void look_into(struct mark *mark, uint64_t start) {
    const struct parts *parts = &mark->places->parts;
    uint64_t size = size_of(mark, places_span(mark->places, start), start), end = start + size;
    mark->places->sums->block_bytes += size;
    if (parts->count && mark->plane != PLACE_REACHED)
        for (size_t i = search_below(parts->all, parts->count, sizeof *parts->all, start);
             i < parts->count && parts->all[i].start < end; i++)
            put_part(mark, i);
    for (uint64_t at = start, next; at < end; at = next) {
        uint64_t stop = up_to_part(mark, at, end, &next);
        if (stop > at && !mapped_each(&mark->memory, at, stop, see_words, mark))
            mark->places->sums->lacks |= SCAN_LACKS_MEMORY;
    }
}

static void look_into_part(struct mark *mark, size_t i) {
    const struct part *part = &mark->places->parts.all[i];
    uint64_t from = (part->start + mark->step - 1) & ~(uint64_t)(mark->step - 1);
    if (from < part->end && !mapped_each(&mark->memory, from, part->end, see_words, mark) && !part->outside)
        mark->places->sums->lacks |= SCAN_LACKS_MEMORY;
}

static void look_at_all(struct mark *mark) {
    while (mark->count || mark->part_count)
        if (mark->count)
            look_into(mark, mark->waiting[--mark->count]);
        else
            look_into_part(mark, mark->part_waiting[--mark->part_count]);
}

void mark_root(void *context, const char *bytes, uint64_t n, uint64_t address) {
    struct mark *mark = context;
    mark->plane = PLACE_REACHED;
    mark->places->sums->root_bytes += n;
    size_t step = mark->step;
    if (mark->is_code) mark->step = 1;
    for (uint64_t at = address, end = address + n, next; at < end; at = next) {
        uint64_t stop = mark->with_parts ? (next = end) : up_to_part(mark, at, end, &next);
        if (stop > at) see_words(mark, bytes + (at - address), stop - at, at);
    }
    mark->step = step;
    look_at_all(mark);
}

/* --- all blocks --- */

/* Calls `see` for each live one. */
static void each_live(struct mark *mark, void (*see)(struct mark *mark, uint64_t start, unsigned char *byte)) {
    const struct places *p = mark->places;
    for (size_t i = 0; i < p->count; i++) {
        const struct places_span *s = &p->spans[i];
        unsigned char *byte = p->bytes + s->first;
        for (uint64_t at = s->start; at < s->end; at += s->size, byte++)
            if (*byte & PLACE_LIVE) see(mark, at, byte);
    }
}

/* As if a word led to it. */
static void mark_from(struct mark *mark, uint64_t start, unsigned char plane) {
    mark->plane = plane;
    mark->origin = start;
    mark->waiting[mark->count++] = start;
    look_at_all(mark);
    mark->origin = 0;
}

static void see_ignored(struct mark *mark, uint64_t start, unsigned char *byte) {
    if (!(*byte & PLACE_IGNORED) || (*byte & PLACE_REACHED)) return;
    *byte |= PLACE_REACHED;
    mark_from(mark, start, PLACE_REACHED);
}

static void see_possible(struct mark *mark, uint64_t start, unsigned char *byte) {
    if (!(*byte & PLACE_PAST) || (*byte & (PLACE_REACHED | PLACE_POSSIBLE))) return;
    *byte |= PLACE_POSSIBLE;
    mark_from(mark, start, PLACE_POSSIBLE);
}

/* Of a cycle the first is named. */
static void see_leaked(struct mark *mark, uint64_t start, unsigned char *byte) {
    if (!(*byte & (PLACE_REACHED | PLACE_POSSIBLE | PLACE_INDIRECT))) mark_from(mark, start, PLACE_INDIRECT);
}

/* The same of parts. */
static void mark_parts(struct mark *mark, unsigned char plane) {
    const struct parts *parts = &mark->places->parts;
    mark->plane = plane;
    for (size_t i = 0; i < parts->count; i++) {
        unsigned char byte = parts->bytes[i];
        if (!(byte & PLACE_LIVE)) continue;
        if ((plane == PLACE_REACHED && parts->all[i].ignored) || (plane == PLACE_POSSIBLE && (byte & PLACE_PAST)))
            put_part(mark, i);
        if (plane != PLACE_INDIRECT || (byte & (PLACE_REACHED | PLACE_POSSIBLE | PLACE_INDIRECT))) continue;
        mark->part_origin = i;
        look_into_part(mark, i);
        look_at_all(mark);
        mark->part_origin = NO_PART;
    }
    look_at_all(mark);
}

void mark_rest(struct mark *mark) {
    each_live(mark, see_ignored);
    mark_parts(mark, PLACE_REACHED);
    each_live(mark, see_possible);
    mark_parts(mark, PLACE_POSSIBLE);
    each_live(mark, see_leaked);
    mark_parts(mark, PLACE_INDIRECT);
}

static void add_up(struct mark *mark, uint64_t start, unsigned char *byte) {
    struct places_sums *sums = mark->places->sums;
    enum dump_verdict is = places_verdict_of(mark->places, *byte);
    sums->blocks[is]++;
    add_to(&sums->bytes[is], size_of(mark, places_span(mark->places, start), start));
}

/* Its bytes are the part's, not those of the block around it any more. What is in use is in the block's. */
static void add_up_part(struct mark *mark, const struct part *part, unsigned char byte) {
    const struct places *p = mark->places;
    struct places_sums *sums = p->sums;
    enum dump_verdict is = places_verdict_of(p, byte);
    struct found found;
    if (part->inherited || !(byte & PLACE_LIVE) || is == DUMP_IN_USE) return;
    sums->blocks[is]++;
    add_to(&sums->bytes[is], part->size);
    if (part->outside || !find(p, part->start, &found)) return;
    uint64_t *around = &sums->bytes[places_verdict_of(p, p->bytes[found.number])];
    *around -= *around < part->size ? *around : part->size;
}

void mark_sum(struct mark *mark) {
    const struct parts *parts = &mark->places->parts;
    each_live(mark, add_up);
    for (size_t i = 0; i < parts->count; i++) add_up_part(mark, &parts->all[i], parts->bytes[i]);
}
