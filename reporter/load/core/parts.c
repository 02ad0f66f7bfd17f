/* See parts.h. */
#include "reporter/load/core/parts.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "reporter/load/core/places.h"
#include "reporter/load/memory.h"
#include "reporter/load/search.h"

#define NODES_MOST (1u << 20)

/* It lies in one live block with the bit, or in none. */
static bool holds(struct making *m, const struct places *p, const struct core_part *n, bool outside) {
    struct core_side side;
    uint64_t size = CORE_SIZE(n);
    if (n->start == 0 || size == 0 || n->start >= UINT64_MAX / 2) return false;
    if (outside) return true;
    const struct places_span *s = places_entry(m->core, p, n->start, &side);
    if (!s || !CORE_LIVE(&side) || !(side.state & CORE_POOLED)) return false;
    uint64_t offset = (n->start - s->start) % s->size, all = places_size(s, &side);
    return offset < all && size <= all - offset;
}

static int compare(const void *left, const void *right) {
    const struct part *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

void parts_read(struct making *m, struct places *p) {
    const struct core_pools *t = &m->t.pools;
    struct parts *parts = &p->parts;
    uint64_t used = core_half(m->core, t->at_used), length = core_word(m->core, t->at_nodes_committed);
    if (used > NODES_MOST || used <= 1) return;
    if (length > used * sizeof(struct core_part)) length = used * sizeof(struct core_part);
    struct core_part *nodes = core_table(m->core, t->at_nodes, &length);
    size_t count = (size_t)(length / sizeof *nodes);
    parts->all = memory_get(count + 1, sizeof *parts->all);
    void *shared = mmap(NULL, count + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 1; i < count && shared != MAP_FAILED; i++) {
        const struct core_part *n = &nodes[i];
        bool outside = n->start < p->window.start || n->start >= p->window.end;
        if (!holds(m, p, n, outside)) continue;
        parts->all[parts->count++] = (struct part){.start = n->start,
                                                   .end = n->start + CORE_SIZE(n),
                                                   .size = CORE_SIZE(n),
                                                   .time = CORE_TIME(n),
                                                   .stack = n->stack,
                                                   .thread = CORE_PART_THREAD(n),
                                                   .outside = outside,
                                                   .ignored = CORE_PART_IGNORED(n),
                                                   .inherited = CORE_PART_EPOCH(n) != m->epoch};
    }
    free(nodes);
    if (shared == MAP_FAILED) return;
    parts->bytes = shared;
    qsort(parts->all, parts->count, sizeof *parts->all, compare);
    for (size_t i = 0; i < parts->count; i++) {
        bool cut = i + 1 < parts->count && parts->all[i].end > parts->all[i + 1].start;
        if (cut) parts->all[i].end = parts->all[i + 1].start;
        if (!parts->all[i].outside) parts->bytes[i] = PLACE_LIVE;
    }
}

void parts_end(struct parts *parts) {
    if (parts->bytes) (void)munmap(parts->bytes, parts->count + 1);
    free(parts->all);
}

const struct part *parts_first(const struct parts *parts, uint64_t from, uint64_t end) {
    size_t i = search_upto(parts->all, parts->count, sizeof *parts->all, from);
    if (i > 0 && parts->all[i - 1].end > from) return &parts->all[i - 1];
    return i < parts->count && parts->all[i].start < end ? &parts->all[i] : NULL;
}

/* --- for the dump --- */

/* What is not there any more the search has found out. */
void making_write_pools(struct making *m) {
    const struct places *p = m->places;
    const struct parts *parts = &p->parts;
    bool known = p->sums && p->sums->done;
    if (!parts->count) return;
    dump_writer_open(&m->w, DUMP_POOLS, sizeof(struct dump_block));
    for (size_t i = 0; i < parts->count; i++) {
        const struct part *part = &parts->all[i];
        if (part->inherited || (known && !(parts->bytes[i] & PLACE_LIVE))) continue;
        struct dump_block b = {.address = part->start,
                               .size = part->size,
                               .time = part->time,
                               .stack = making_stack(m, part->stack),
                               .thread = part->thread,
                               .verdict = known ? places_verdict_of(p, parts->bytes[i]) : DUMP_UNKNOWN};
        if (b.time > m->newest) m->newest = b.time;
        dump_writer_add(&m->w, &b);
        making_note_thread(m, b.thread);
    }
    dump_writer_close(&m->w);
}
