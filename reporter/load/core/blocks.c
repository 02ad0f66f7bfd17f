/* The live blocks of a core, its sites, and what counts of both; see making.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/core/damage.h"
#include "reporter/load/memory.h"

#define SITE_THREADS 16

struct site_sum {
    uint64_t blocks, bytes, oldest, newest, pinned;
    uint32_t threads;
    uint32_t thread[SITE_THREADS];
};

/* --- sites --- */

static void note_thread_of(struct making *m, struct site_sum *site, uint32_t thread) {
    for (uint32_t i = 0; i < site->threads; i++)
        if (site->thread[i] == thread) return;
    if (site->threads == SITE_THREADS) return;
    site->thread[site->threads++] = thread;
    making_note_thread(m, thread);
}

static void add_to_site(struct making *m, const struct dump_block *b, uint64_t pinned) {
    m->sites = memory_more(m->sites, &m->site_capacity, b->stack + 1ul, sizeof *m->sites);
    struct site_sum *site = &m->sites[b->stack];
    if (site->blocks == 0 || b->time < site->oldest) site->oldest = b->time;
    if (b->time > site->newest) site->newest = b->time;
    site->blocks++;
    site->bytes += b->size;
    site->pinned += pinned;
    note_thread_of(m, site, b->thread);
}

void making_write_sites(struct making *m) {
    dump_writer_open(&m->w, DUMP_SITES, sizeof(struct dump_site));
    for (uint32_t i = 0; i < m->site_capacity; i++) {
        const struct site_sum *s = &m->sites[i];
        if (s->blocks == 0) continue;
        struct dump_site site = {i, s->threads, s->blocks, s->bytes, s->oldest, s->newest, 0, 0, s->pinned, 0};
        dump_writer_add(&m->w, &site);
    }
    dump_writer_close(&m->w);
    free(m->sites);
    m->sites = NULL;
}

/* --- blocks --- */

/* They go on as they begin, see shim/arena/layout.h. */
uint64_t making_class_size(uint32_t c) {
    if (c < 16) return ((uint64_t)c + 1) << 4;
    uint32_t exponent = 8 + (c - 16) / 8, step = (c - 16) % 8 + 1;
    return ((uint64_t)1 << exponent) + ((uint64_t)step << (exponent - 3));
}

/* Of being drawn as it was: 1 - exp(-x), see shim/arena/sample.c, whose x has no more than 64 bits before it is
 * thinned. */
static double probability(const struct making *m, const struct core_side *side) {
    uint32_t drawn = CORE_DRAWN(side);
    if (!m->sample_bytes || drawn >= m->t.arena.certain) return 1;
    uint64_t extra = m->sample_bytes / m->sample_blocks, scale = (1ull << 48) / m->sample_bytes;
    uint64_t size = making_class_size(drawn) + extra, most = scale ? UINT64_MAX / scale : UINT64_MAX;
    double x = ldexp((double)(size < most ? size : most) * (double)scale, -48 - (int)CORE_THINNED(side));
    return -expm1(-x);
}

/* What dumps have: in units of 2^-17, and what a float has no bits for is cut off. */
static float weight(double p) {
    double inverse = ldexp(floor(ldexp(1 / p, 17)), -17);
    return (double)(float)inverse > inverse ? nextafterf((float)inverse, 0) : (float)inverse;
}

static void add_grown(struct making *m, const struct core_side *side, uint64_t address, uint32_t made) {
    uint32_t stack = side->latest ? making_stack(m, side->latest) : 0;
    if (!stack) return;
    m->grown = memory_more(m->grown, &m->grown_capacity, m->grown_count + 1, sizeof *m->grown);
    m->grown[m->grown_count++] = (struct dump_grown){address, CORE_SIZE(side), CORE_GROWN(side), stack, made};
}

/* Live ones that were made before the process was forked are their maker's to list. */
static void add_block(struct making *m, const struct core_side *side, uint64_t address, uint64_t place,
                      uint64_t pinned) {
    m->tracked++;
    if (CORE_EPOCH(side) != m->epoch) {
        m->inherited++;
        m->inherited_bytes += place;
        m->capacity += place;
        return;
    }
    double p = probability(m, side);
    uint64_t time = CORE_TIME(side),
             size = CORE_DRAWN(side) < m->t.arena.classes ? making_class_size(CORE_DRAWN(side)) : place;
    if (time < m->process.fork_time) time = m->process.fork_time;
    struct dump_block b = {.address = address,
                           .size = CORE_SIZE(side),
                           .time = time,
                           .stack = making_stack(m, side->stack),
                           .thread = CORE_THREAD(side),
                           .verdict = making_verdict(m, address),
                           .weight = p < 1 ? weight(p) : 0};
    m->sampled_places += (double)size / p;
    m->capacity += b.size;
    if (time > m->newest) m->newest = time;
    dump_writer_add(&m->w, &b);
    add_to_site(m, &b, pinned);
    making_wish_way(m, &b);
    if (m->pattern) damage_look_behind(m, side, address, place);
    add_grown(m, side, address, b.stack);
}

/* --- a slab, a run --- */

static void count_one(void *context, uint64_t place) {
    uint64_t *count = context;
    (void)place;
    ++*count;
}

/* Those without entries: what is on `free` counts as used. */
static uint64_t count_places(struct making *m, const struct span *s) {
    const struct core_arena *t = &m->t.arena;
    struct remote remote = walk_remote(s, t);
    uint64_t used = half_of(s->d, t->in_used) + half_of(s->d, t->in_asleep);
    uint64_t gone = remote.count;
    walk_list(m, s, word_of(s->d, t->in_free), count_one, &gone);
    return used > gone && used <= s->places && !remote.given ? used - gone : 0;
}

static void walk_slab(struct making *m, const struct span *s) {
    static struct core_side entries[PLACES_MOST];
    uint64_t live = 0;
    if (s->tracked && m->process.level != DUMP_DISABLED) {
        if (!core_read(m->core, entries, s->places * sizeof *entries, s->entries)) {
            m->lost += s->places > 0;
            making_add_span(m, s, 0);
            return;
        }
        damage_look_at_slab(m, s, entries);
        for (uint32_t i = 0; i < s->places; i++) live += CORE_LIVE(&entries[i]);
        uint64_t idle = s->committed > live * s->size ? s->committed - live * s->size : 0;
        for (uint32_t i = 0; i < s->places; i++)
            if (CORE_LIVE(&entries[i])) add_block(m, &entries[i], s->start + i * s->size, s->size, idle / live);
    } else {
        damage_look_at_slab(m, s, NULL);
        live = count_places(m, s);
        m->capacity += live * s->size;
    }
    m->slabs++;
    m->blocks += live;
    m->bytes += live * s->size;
    making_add_span(m, s, live);
}

static void walk_run(struct making *m, const struct span *s) {
    struct core_side side;
    memcpy(&side, s->d + m->t.arena.in_run_side, sizeof side);
    m->runs++;
    m->blocks++;
    m->bytes += s->size;
    if (s->tracked && m->process.level != DUMP_DISABLED && CORE_LIVE(&side))
        add_block(m, &side, s->start, s->size, 0);
    else
        m->capacity += s->size;
    making_add_span(m, s, 1);
}

static void see_span(void *context, const struct span *s) {
    if (s->kind == SPAN_SLAB)
        walk_slab(context, s);
    else if (s->kind == SPAN_RUN)
        walk_run(context, s);
    else
        making_add_span(context, s, 0);
}

void making_write_blocks(struct making *m) {
    dump_writer_open(&m->w, DUMP_BLOCKS, sizeof(struct dump_block));
    walk_spans(m, see_span, m);
    dump_writer_close(&m->w);
}
