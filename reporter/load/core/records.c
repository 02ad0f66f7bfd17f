/* The access records of the blocks of a core, as shim/box/records.c finds them; see making.h. A chain, and a list, is
 * in order at any instant, since what it leads to is filled first; those of blocks that are gone may be there. */
#include <stdlib.h>
#include <string.h>

#include "reporter/load/core/places.h"
#include "reporter/load/memory.h"

#define NODES_MOST   (1u << 22)
#define BUCKETS_MOST (1u << 16)
#define HINTS_MOST   (1u << 20) /* bytes */

struct reading {
    struct making *m;
    struct core_record *nodes;
    uint32_t count;
    uint64_t steps; /* that may be made yet: in order each node is met once, and each head twice */
    struct dump_string hints, no_room;
};

/* The last one's end, too: behind it all is zero. */
static void read_hints(struct reading *r) {
    static const char no_room[] = "(a hint that found no room)";
    struct core *core = r->m->core;
    uint64_t length = core_word(core, r->m->t.hints.at_used), committed = core_word(core, r->m->t.hints.at_committed);
    if (length > committed) length = committed;
    if (length > HINTS_MOST || length <= 1) return;
    char *texts = core_table(core, r->m->t.hints.at_texts, &length);
    r->hints = making_string(r->m, texts, (size_t)length);
    r->no_room = making_string(r->m, no_room, sizeof no_room - 1);
    free(texts);
}

static struct dump_string hint_of(const struct reading *r, uint32_t kind, uint32_t detail) {
    if (kind != RECORD_TOUCH || detail == 0) return (struct dump_string){0, 0};
    if (detail == CORE_HINT_LOST) return r->no_room;
    if (detail >= r->hints.length) return (struct dump_string){0, 0};
    size_t most = r->hints.length - detail;
    return (struct dump_string){r->hints.offset + detail,
                                (uint32_t)strnlen(r->m->strings + r->hints.offset + detail, most)};
}

static void add(const struct reading *r, const struct core_side *side, const struct core_record *n) {
    struct making *m = r->m;
    uint32_t kind = CORE_RECORD_KIND(n);
    struct dump_record d = {.address = n->block,
                            .number = CORE_RECORD_NUMBER(n),
                            .time = CORE_TIME(n),
                            .stack = making_stack(m, n->stack),
                            .made = making_stack(m, side->stack),
                            .verdict = making_verdict(m, n->block),
                            .thread = CORE_RECORD_THREAD(n),
                            .kind = kind,
                            .fd = kind >= RECORD_READ ? (int32_t)n->detail : -1,
                            .hint = hint_of(r, kind, n->detail)};
    if (d.number == 0) return;
    if (d.time > m->newest) m->newest = d.time;
    dump_writer_add(&m->w, &d);
    making_note_thread(m, d.thread);
}

/* Records of a block that is gone may wait for the next one of its place. */
static bool is_listed(const struct reading *r, uint64_t block, struct core_side *side) {
    const struct places_span *s = places_entry(r->m->core, r->m->places, block, side);
    return s && (block - s->start) % s->size == 0 && CORE_LIVE(side) && (side->state & CORE_RECORDED) &&
           CORE_EPOCH(side) == r->m->epoch;
}

static bool may_step(struct reading *r) {
    return r->steps > 0 && r->steps-- > 0;
}

static void read_list(struct reading *r, uint32_t head) {
    struct core_side side;
    uint64_t block = r->nodes[head].block;
    if (block == 0 || !is_listed(r, block, &side)) return;
    uint32_t most = CORE_RECORD_POSITION(&r->nodes[head]) + 1;
    for (uint32_t i = head; i && i < r->count && most > 0 && may_step(r); i = r->nodes[i].older, most--) {
        if (r->nodes[i].block != block) return;
        add(r, &side, &r->nodes[i]);
    }
}

void making_write_records(struct making *m) {
    const struct core_records *t = &m->t.records;
    struct core *core = m->core;
    struct reading r = {.m = m};
    uint64_t used = core_half(core, t->at_used), length = core_word(core, t->at_nodes_committed),
             heads = core_word(core, t->at_buckets_committed);
    if (used > NODES_MOST || used <= 1 || heads > BUCKETS_MOST * sizeof(uint32_t)) return;
    if (length > used * sizeof *r.nodes) length = used * sizeof *r.nodes;
    r.nodes = core_table(core, t->at_nodes, &length);
    r.count = (uint32_t)(length / sizeof *r.nodes);
    r.steps = 2ul * r.count;
    uint32_t *buckets = core_table(core, t->at_buckets, &heads);
    read_hints(&r);
    dump_writer_open(&m->w, DUMP_RECORDS, sizeof(struct dump_record));
    for (uint64_t b = 0; b < heads / sizeof *buckets; b++)
        for (uint32_t i = buckets[b]; i && i < r.count && r.steps > 0; i = r.nodes[i].next, r.steps--) read_list(&r, i);
    dump_writer_close(&m->w);
    free(buckets);
    free(r.nodes);
}
