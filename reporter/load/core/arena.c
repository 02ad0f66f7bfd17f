/* The arena of a core by class, where its memory is, and what was ever made of it; see making.h. What of it was
 * resident no core tells. */
#include <stdlib.h>

#include "reporter/load/core/places.h"
#include "reporter/load/memory.h"

/* --- a span --- */

static void count_one(void *context, uint64_t place) {
    uint64_t *count = context;
    (void)place;
    ++*count;
}

/* As shim/arena/walk.c has it: none, up to a quarter, and so on; all. */
static unsigned occupancy(uint64_t live, uint64_t places) {
    return live == 0 ? 0 : live >= places ? DUMP_OCCUPANCIES - 1 : 1 + (unsigned)(4 * live / places);
}

/* What lies on `free` counts as handed out (shim/arena/counts.h). */
static void add_slab(struct making *m, struct dump_class *class, const struct span *s, uint64_t live) {
    uint64_t on_free = 0;
    walk_list(m, s, word_of(s->d, m->t.arena.in_free), count_one, &on_free);
    class->slabs++;
    class->made -= on_free;
    class->occupancy[occupancy(live, s->places)]++;
}

void making_add_span(struct making *m, const struct span *s, uint64_t live) {
    struct arena_sum *sum = &m->arena;
    struct dump_class *class = NULL;
    if (s->kind == SPAN_SLAB) add_slab(m, class = &sum->classes[byte_of(s->d, m->t.arena.in_class)], s, live);
    if (s->kind == SPAN_RUN) class = &sum->classes[m->t.arena.classes];
    if (class) {
        class->live += live;
        class->capacity += s->places;
        class->committed += s->committed;
    }
    uint64_t bytes = live * s->size < s->committed ? live * s->size : s->committed;
    sum->live += bytes;
    *(bytes && s->kind == SPAN_SLAB ? &sum->pinned : &sum->cached) += s->committed - bytes;
    sum->sides += s->sides;
}

/* --- all of them --- */

static void add_row(struct making *m, const char *row) {
    for (size_t i = 0; i <= m->t.arena.classes; i++) m->arena.classes[i].made += word_of(row, i * sizeof(uint64_t));
}

static void add_counts(struct making *m) {
    const struct core_arena *t = &m->t.arena;
    size_t bytes = (size_t)t->counts_a_row * sizeof(uint64_t);
    uint64_t at = core_word(m->core, t->at_counts), rows = core_word(m->core, t->at_counts_committed) / bytes;
    char *row = memory_get(bytes, 1);
    for (uint64_t i = 0; i < rows && core_read(m->core, row, bytes, at + i * bytes); i++) add_row(m, row);
    free(row);
    m->arena.classes[t->classes].made += core_word(m->core, t->at_counts_apart);
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Of the program's mappings, all of them or when they were most. */
static uint64_t mapped_bytes(const struct making *m, bool most, enum core_pages_plane plane) {
    struct core_pages pages;
    if (!core_read(m->core, &pages, sizeof pages, m->t.search.at_pages)) return 0;
    return core_word(m->core, (most ? pages.peaks : pages.totals) + plane * sizeof(uint64_t));
}

static uint64_t tables(const struct making *m) {
    return core_word(m->core, m->t.ceiling.at_tables) + m->arena.sides;
}

static void write_memory(struct making *m) {
    const struct arena_sum *sum = &m->arena;
    uint64_t rounding = least(m->bytes - least(m->bytes, m->capacity), sum->live);
    const struct dump_memory rows[] = {
        {.kind = MEMORY_LIVE, .charged = sum->live - rounding},
        {.kind = MEMORY_ROUNDING, .charged = rounding},
        {.kind = MEMORY_PINNED, .charged = sum->pinned},
        {.kind = MEMORY_CACHED, .charged = sum->cached},
        {.kind = MEMORY_TABLES, .charged = tables(m)},
        {.kind = MEMORY_LOADER, .charged = core_word(m->core, m->t.counters.at_loader)},
        {.kind = MEMORY_MAPPINGS, .charged = mapped_bytes(m, false, CORE_PAGES_CHARGED)},
    };
    dump_writer_section(&m->w, DUMP_MEMORY, sizeof *rows, rows, sizeof rows / sizeof *rows);
}

void making_write_arena(struct making *m) {
    add_counts(m);
    dump_writer_open(&m->w, DUMP_CLASSES, sizeof(struct dump_class));
    for (size_t i = 0; i <= m->t.arena.classes; i++) {
        struct dump_class *class = &m->arena.classes[i];
        /* Of a heap whose row is missing, or a list that was just being made and was not counted yet. */
        if ((int64_t)(class->made - class->live) < 0) class->made = class->live;
        if (i < m->t.arena.classes) class->size = making_class_size((uint32_t)i);
        if (class->made > 0) dump_writer_add(&m->w, class);
    }
    dump_writer_close(&m->w);
    write_memory(m);
}

size_t making_add_arena(const struct making *m, struct dump_stat *stats) {
    const struct places_sums *s = m->places->sums;
    uint64_t made = 0, ours = mapped_bytes(m, false, CORE_PAGES_OURS),
             charged = mapped_bytes(m, false, CORE_PAGES_CHARGED);
    for (size_t i = 0; i <= m->t.arena.classes; i++) made += m->arena.classes[i].made;
    const struct dump_stat all[] = {{STAT_ALLOCATIONS, 0, made},
                                    {STAT_FREES, 0, made - least(made, m->blocks)},
                                    {STAT_CACHED, 0, m->arena.cached + m->arena.pinned},
                                    {STAT_TABLES, 0, tables(m)},
                                    {STAT_ANONYMOUS_USED, 0, charged},
                                    {STAT_ANONYMOUS_RESERVED, 0, ours - least(ours, charged)},
                                    {STAT_MAPPED_CAPACITY, 0, mapped_bytes(m, false, CORE_PAGES_MAPPED)},
                                    {STAT_MAPPED_USED, 0, mapped_bytes(m, false, CORE_PAGES_MAPPED)},
                                    {STAT_MAPPED_PEAK, 0, mapped_bytes(m, true, CORE_PAGES_MAPPED)},
                                    /* only where the search has looked */
                                    {STAT_ANONYMOUS_COUNT, 0, s ? s->charged_spans : 0},
                                    {STAT_MAPPED_COUNT, 0, s ? s->mapped_spans : 0}};
    size_t count = sizeof all / sizeof *all - (s && s->done ? 0 : 2);
    _Static_assert(sizeof all / sizeof *all <= MAKING_ARENA, "there is room for all");
    memcpy(stats, all, count * sizeof *all);
    return count;
}
