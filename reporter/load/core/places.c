/* See places.h. */
#include "reporter/load/core/places.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "reporter/load/memory.h"
#include "reporter/load/search.h"

#define LEAF ((size_t)1 << PLACES_LEAF_SHIFT)

/* --- spans --- */

struct reading {
    struct making *m;
    struct places *p;
};

/* No two spans have the same slice: a leaf that one has all of has no other yet. */
static void add_numbers(struct places *p, uint64_t slice, uint64_t end) {
    while (slice < end) {
        struct places_leaf *leaf = &p->leaves[slice >> PLACES_LEAF_SHIFT];
        if (slice % LEAF == 0 && end - slice >= LEAF) {
            leaf->number = (uint32_t)p->count;
            slice += LEAF;
            continue;
        }
        if (!leaf->numbers) leaf->numbers = memory_get(LEAF, sizeof *leaf->numbers);
        leaf->numbers[slice++ % LEAF] = (uint32_t)p->count;
    }
}

static void see_span(void *context, const struct span *span) {
    struct reading *r = context;
    struct places *p = r->p;
    const struct core_arena *t = &r->m->t.arena;
    if (span->kind == SPAN_EMERGENCY) {
        if (p->emergencies < sizeof p->emergency / sizeof *p->emergency) p->emergency[p->emergencies++] = span->start;
        return;
    }
    if (span->kind == SPAN_IDLE || !span->places || !span->size || p->count == UINT32_MAX) return;
    struct places_span own = {
        .start = span->start, .end = span->start + span->places * span->size, .size = span->size, .first = p->all};
    if (span->tracked && span->kind == SPAN_SLAB) own.entries = span->entries;
    if (span->tracked && span->kind == SPAN_RUN)
        own.entries = core_word(r->m->core, t->at_descriptors) + span->slice * t->stride + t->in_run_side;
    if (!span->tracked && span->kind == SPAN_SLAB) {
        struct remote remote = walk_remote(span, t);
        own.lists[0] = word_of(span->d, t->in_free);
        own.lists[1] = word_of(span->d, t->in_local_free);
        own.lists[2] = remote.given ? 0 : remote.first;
    }
    p->spans = memory_more(p->spans, &p->capacity, p->count + 1, sizeof *p->spans);
    p->spans[p->count++] = own;
    p->all += span->places;
    add_numbers(p, span->slice, span->slice + span->slices);
}

/* --- blocks --- */

static void see_free(void *context, uint64_t place) {
    struct places *p = context;
    uint64_t number = places_number(p, place);
    if (number != PLACE_NONE) p->bytes[number] = 0;
}

static void find_live(struct making *m, struct places *p, const struct places_span *s) {
    static struct core_side entries[PLACES_MOST];
    uint64_t count = (s->end - s->start) / s->size;
    unsigned char *bytes = p->bytes + s->first;
    bool known = s->entries && core_read(m->core, entries, (size_t)count * sizeof *entries, s->entries);
    if (s->entries && !known) p->sums->lacks |= SCAN_LACKS_MEMORY;
    for (uint64_t i = 0; i < count; i++) {
        if (!s->entries)
            bytes[i] = PLACE_LIVE;
        else if (known && CORE_LIVE(&entries[i]))
            bytes[i] = PLACE_LIVE | (entries[i].state & CORE_IGNORED ? PLACE_IGNORED : 0);
    }
    if (s->entries) return;
    struct span slab = {.start = s->start, .places = (uint32_t)count, .size = s->size};
    for (size_t i = 0; i < sizeof s->lists / sizeof *s->lists; i++) walk_list(m, &slab, s->lists[i], see_free, p);
}

/* Those without entries that are no leaks. */
static void read_ignored(struct making *m, struct places *p) {
    struct core_ignored t;
    if (!core_read(m->core, &t, sizeof t, m->t.search.at_ignored)) return;
    for (uint64_t i = 0; i < t.place_count && i < 1u << 16; i++) {
        uint64_t number = places_number(p, core_word(m->core, t.places + i * 8));
        if (number != PLACE_NONE && !places_span_of(p, number)->entries) p->bytes[number] |= PLACE_IGNORED;
    }
}

void places_read(struct making *m, struct places *p) {
    struct reading r = {m, p};
    *p = (struct places){.window = walk_window(m), .slice = m->t.arena.slice};
    p->leaves = memory_get((size_t)(p->window.slices >> PLACES_LEAF_SHIFT) + 1, sizeof *p->leaves);
    walk_spans(m, see_span, &r);
    void *shared = mmap(NULL, sizeof *p->sums + (size_t)p->all, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shared == MAP_FAILED) return;
    void *from = mmap(NULL, (size_t)(p->all + 1) * sizeof *p->from, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (from != MAP_FAILED) p->from = from;
    p->sums = shared;
    p->bytes = (unsigned char *)(p->sums + 1);
    for (size_t i = 0; i < p->count; i++) find_live(m, p, &p->spans[i]);
    read_ignored(m, p);
    for (uint64_t i = 0; i < p->all; i++) p->live += p->bytes[i] & PLACE_LIVE;
    parts_read(m, p);
}

void places_end(struct places *p) {
    if (p->sums) (void)munmap(p->sums, sizeof *p->sums + (size_t)p->all);
    if (p->from) (void)munmap(p->from, (size_t)(p->all + 1) * sizeof *p->from);
    for (uint64_t i = 0; p->leaves && i <= p->window.slices >> PLACES_LEAF_SHIFT; i++) free(p->leaves[i].numbers);
    parts_end(&p->parts);
    free(p->leaves);
    free(p->spans);
    *p = (struct places){0};
}

/* --- looking up --- */

uint64_t places_number(const struct places *p, uint64_t address) {
    if (address < p->window.start || address >= p->window.end) return PLACE_NONE;
    const struct places_span *s = places_span(p, address);
    if (!s || address >= s->end || (address - s->start) % s->size) return PLACE_NONE;
    return s->first + (address - s->start) / s->size;
}

uint64_t places_block(const struct places *p, uint64_t address) {
    const struct places_span *s =
        address >= p->window.start && address < p->window.end ? places_span(p, address) : NULL;
    if (!s || address >= s->end) return PLACE_NONE;
    uint64_t number = s->first + (address - s->start) / s->size;
    return p->bytes[number] & PLACE_LIVE ? number : PLACE_NONE;
}

const struct places_span *places_entry(struct core *core, const struct places *p, uint64_t address,
                                       struct core_side *side) {
    if (address < p->window.start || address >= p->window.end) return NULL;
    const struct places_span *s = places_span(p, address);
    if (!s || address >= s->end || !s->entries) return NULL;
    return core_read(core, side, sizeof *side, s->entries + (address - s->start) / s->size * sizeof *side) ? s : NULL;
}

const struct places_span *places_span_of(const struct places *p, uint64_t number) {
    return &p->spans[search_upto(p->spans, p->count, sizeof *p->spans, number) - 1];
}

enum dump_verdict places_verdict_of(const struct places *p, unsigned char byte) {
    if (!(byte & PLACE_LIVE)) return DUMP_UNKNOWN;
    if (byte & PLACE_REACHED) return DUMP_IN_USE;
    if (p->sums->lacks || (byte & PLACE_POSSIBLE)) return DUMP_POSSIBLE;
    return byte & PLACE_INDIRECT ? DUMP_INDIRECT : DUMP_LEAKED;
}

enum dump_verdict places_verdict(const struct places *p, uint64_t address) {
    if (!p->sums || !p->sums->done) return DUMP_UNKNOWN;
    uint64_t number = places_number(p, address);
    return number == PLACE_NONE ? DUMP_UNKNOWN : places_verdict_of(p, p->bytes[number]);
}
