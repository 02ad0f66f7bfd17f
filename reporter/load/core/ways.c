/* How memory leads to the blocks of a core, from root to block; see making.h. The search notes of each block where the
 * word lies that led to it first: so a way is followed backwards, word by word. */
#include <stdlib.h>
#include <string.h>

#include "reporter/load/core/places.h"
#include "reporter/load/core/whose.h"
#include "reporter/load/memory.h"

#define HALF      (DUMP_STEPS_MOST / 2)
#define HOPS_MOST ((uint64_t)1 << 26) /* from block to block, of all ways together */

/* A block of a site with each verdict that something leads to: the first to which a root's own word does, else the
 * first of all. 0: none. */
struct way_wish {
    struct {
        uint64_t block;
        bool direct;
    } of[DUMP_IN_USE + 1];
};

void making_wish_way(struct making *m, const struct dump_block *block) {
    const struct places *p = m->places;
    if (!p->sums || !p->sums->done || !p->from) return;
    uint64_t number = places_number(p, block->address);
    if (number == PLACE_NONE || !p->from[number]) return;
    m->wishes = memory_more(m->wishes, &m->wish_capacity, block->stack + 1ul, sizeof *m->wishes);
    struct way_wish *wish = &m->wishes[block->stack];
    if (wish->of[block->verdict].direct) return;
    bool direct = places_block(p, p->from[number]) == PLACE_NONE;
    if (wish->of[block->verdict].block && !direct) return;
    wish->of[block->verdict].block = block->address;
    wish->of[block->verdict].direct = direct;
}

/* --- one way --- */

struct way {
    uint64_t inner[HALF][2],
        outer[HALF][2]; /* block, and the address of the word in it that leads on; outermost last */
    uint64_t count;     /* of blocks; `outer` has the last of them, in turn */
    uint64_t from;      /* where the root's word lies; 0: there is none */
    bool past, in_part;
};

static void add(struct way *way, uint64_t block, uint64_t word) {
    uint64_t *to = way->count < HALF ? way->inner[way->count] : way->outer[way->count % HALF];
    to[0] = block;
    to[1] = word;
    way->count++;
}

static uint64_t word_at(struct making *m, uint64_t from) {
    uint64_t word = 0, note = FROM_NUMBER(from);
    if (!(from & FROM_NO_MEMORY)) return core_word(m->core, from);
    if ((from & FROM_REGISTERS) && note < m->core->register_count)
        (void)core_read_file(m->core, &word, sizeof word, m->core->registers[note].offset + FROM_OFFSET(from));
    return word;
}

/* What was only found by a word that points just behind it. */
static bool is_past(struct making *m, uint64_t number, uint64_t start, uint64_t size) {
    unsigned char byte = m->places->bytes[number];
    if (!(byte & PLACE_PAST) || (byte & PLACE_REACHED)) return false;
    uint64_t tags = core_word(m->core, m->t.search.at_tags), word = word_at(m, m->places->from[number]) & ~tags;
    return word - start >= size;
}

/* False: there were too many hops before, or more than blocks: in a core that nobody's kernel has written spans
 * overlap, and a way may be a circle. */
static bool follow(struct making *m, uint64_t block, uint64_t *hops, struct way *way) {
    const struct places *p = m->places;
    uint64_t number = places_number(p, block);
    *way = (struct way){.from = p->from[number]};
    const struct places_span *s = places_span_of(p, number);
    way->past = is_past(m, number, block, s->size);
    add(way, block, 0);
    while (way->from && !(way->from & FROM_NO_MEMORY)) {
        if ((way->in_part = parts_first(&p->parts, way->from, way->from + 1) != NULL)) break;
        number = places_block(p, way->from);
        if (number == PLACE_NONE) break;
        if (++*hops > HOPS_MOST || way->count >= p->live) return false;
        s = places_span_of(p, number);
        uint64_t start = s->start + (number - s->first) * s->size;
        add(way, start, way->from);
        way->from = is_past(m, number, start, s->size) ? 0 : p->from[number];
    }
    return true;
}

/* --- writing --- */

struct ways {
    struct dump_path *paths;
    size_t count, capacity;
    struct dump_step *steps;
    size_t step_count, step_capacity;
    uint64_t hops;
};

static void add_step(struct making *m, struct ways *w, const uint64_t block[2], bool unknown) {
    struct core_side side;
    const struct places_span *s = places_entry(m->core, m->places, block[0], &side);
    struct dump_step step = {.address = block[0], .stack = DUMP_STEP_UNTRACKED};
    uint64_t number = places_number(m->places, block[0]), offset = block[1] ? block[1] - block[0] : 0;
    step.size = s ? places_size(s, &side) : places_span_of(m->places, number)->size;
    if (s) step.stack = making_stack(m, side.stack);
    step.offset = unknown || offset >= (uint64_t)1 << 31 ? DUMP_STEP_FAR : (uint32_t)offset;
    w->steps = memory_more(w->steps, &w->step_capacity, w->step_count + 1, sizeof step);
    w->steps[w->step_count++] = step;
}

/* Outermost first. */
static uint32_t add_steps(struct making *m, struct ways *w, const struct way *way) {
    uint64_t inner = way->count < HALF ? way->count : HALF, outer = way->count - inner;
    if (outer > HALF) outer = HALF;
    for (uint64_t i = 0; i < outer; i++) /* what the last of them leads to may be left out */
        add_step(m, w, way->outer[(way->count - 1 - i) % HALF], i + 1 == outer && way->count > DUMP_STEPS_MOST);
    for (uint64_t i = inner; i-- > 0;) add_step(m, w, way->inner[i], false);
    return (uint32_t)(inner + outer);
}

static void set_root(struct making *m, const struct way *way, unsigned char byte, struct dump_path *path) {
    if (!way->from) {
        path->root = byte & PLACE_POSSIBLE ? ROOT_POSSIBLE : ROOT_LEAKED;
        return;
    }
    bool has_word = !(way->from & FROM_NO_MEMORY);
    path->word = has_word ? way->from : 0;
    path->root = ROOT_POOL;
    if (way->in_part) return;
    struct whose whose = whose_is(m, way->from);
    path->root = whose.kind;
    path->place = whose.place;
    path->thread = whose.thread;
    if (whose.exact) path->flags |= DUMP_PATH_EXACT;
    if (whose.name) path->name = making_string(m, whose.name, strlen(whose.name));
    if (whose.thread) making_note_thread(m, whose.thread);
}

static void add_way(struct making *m, struct ways *w, uint32_t stack, uint64_t block) {
    struct way way;
    if (w->count == DUMP_PATHS_MOST || !follow(m, block, &w->hops, &way)) return;
    unsigned char byte = m->places->bytes[places_number(m->places, block)];
    struct dump_path path = {.address = block,
                             .stack = stack,
                             .verdict = making_verdict(m, block),
                             .flags = way.past ? DUMP_PATH_PAST : 0,
                             .first_step = (uint32_t)w->step_count};
    set_root(m, &way, byte, &path);
    path.left_out = way.count > DUMP_STEPS_MOST ? way.count - DUMP_STEPS_MOST : 0;
    path.steps = add_steps(m, w, &way);
    w->paths = memory_more(w->paths, &w->capacity, w->count + 1, sizeof path);
    w->paths[w->count++] = path;
}

void making_write_ways(struct making *m) {
    struct ways w = {0};
    for (uint32_t i = 0; i < m->wish_capacity; i++)
        for (size_t verdict = 0; verdict <= DUMP_IN_USE; verdict++)
            if (m->wishes[i].of[verdict].block) add_way(m, &w, i, m->wishes[i].of[verdict].block);
    dump_writer_section(&m->w, DUMP_PATHS, sizeof *w.paths, w.paths, w.count);
    dump_writer_section(&m->w, DUMP_STEPS, sizeof *w.steps, w.steps, w.step_count);
    free(w.paths);
    free(w.steps);
}
