/* The walk over the arena of a core, as shim/arena/walk.c makes it: live blocks, sites, and what counts of both; see
 * making.h. Descriptors are read in pieces, entries a slab at a time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/core/making.h"
#include "reporter/load/memory.h"

#define SITE_THREADS 16
#define SLICES_MOST  ((uint64_t)1 << 26)
#define PLACES_MOST  4096u /* of a slab */
#define PIECE        512u  /* descriptors */
#define SPAN_MOST    64u   /* slices of a slab, beside which others are looked at */

struct site_sum {
    uint64_t blocks, bytes, oldest, newest, pinned;
    uint32_t threads;
    uint32_t thread[SITE_THREADS];
};

struct walk {
    struct making *m;
    const struct core_arena *t;
    uint64_t base, descriptors, sides, slices, key;
    char *piece; /* descriptors from `first` on */
    uint64_t first, count;
    struct core_side *entries;
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

/* Sizes of classes; they go on as they begin, see shim/arena/layout.h. */
static uint64_t class_size(uint32_t c) {
    if (c < 16) return ((uint64_t)c + 1) << 4;
    uint32_t exponent = 8 + (c - 16) / 8, step = (c - 16) % 8 + 1;
    return ((uint64_t)1 << exponent) + ((uint64_t)step << (exponent - 3));
}

/* Of being drawn as it was: 1 - exp(-x), see shim/arena/sample.h. */
static double probability(const struct making *m, const struct core_side *side) {
    uint32_t drawn = CORE_DRAWN(side);
    if (!m->sample_bytes || drawn >= m->t.arena.certain) return 1;
    uint64_t extra = m->sample_bytes / m->sample_blocks, scale = (1ull << 48) / m->sample_bytes;
    double x = ldexp((double)(class_size(drawn) + extra) * (double)scale, -48 - (int)CORE_THINNED(side));
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
             size = CORE_DRAWN(side) < m->t.arena.classes ? class_size(CORE_DRAWN(side)) : place;
    if (time < m->process.fork_time) time = m->process.fork_time;
    struct dump_block b = {.address = address,
                           .size = CORE_SIZE(side),
                           .time = time,
                           .stack = making_stack(m, side->stack),
                           .thread = CORE_THREAD(side),
                           .weight = p < 1 ? weight(p) : 0};
    m->places += (double)size / p;
    m->capacity += b.size;
    if (time > m->newest) m->newest = time;
    dump_writer_add(&m->w, &b);
    add_to_site(m, &b, pinned);
    if (m->pattern) making_look_behind(m, side, address, place);
    add_grown(m, side, address, b.stack);
}

/* --- a slab, a run --- */

static uint64_t start_of(const struct walk *w, uint64_t slice) {
    return w->base + slice * w->t->slice;
}

/* Places on `free`, which count as used. */
static uint64_t free_length(struct walk *w, const char *d, uint64_t start, uint64_t end, uint64_t most) {
    uint64_t n = 0, at = word_of(d, w->t->in_free);
    for (; at >= start && at < end && n <= most; n++)
        at = (core_word(w->m->core, at) ^ (w->key ? at ^ w->key : 0)) & ~w->t->link_mark;
    return n;
}

static uint64_t count_places(struct walk *w, const char *d, uint64_t start, uint64_t end, uint64_t capacity) {
    uint64_t remote = word_of(d, w->t->in_remote), used = half_of(d, w->t->in_used) + half_of(d, w->t->in_asleep);
    uint64_t gone = free_length(w, d, start, end, capacity) + (remote >> 48);
    bool given = (remote & 6) != 0; /* claimed, or given back to the kernel */
    return used > gone && used <= capacity && !given ? used - gone : 0;
}

static uint64_t charged(const struct walk *w, uint64_t slice, uint64_t slices) {
    uint64_t sum = 0;
    for (uint64_t i = slice; i < slice + slices && i - w->first < w->count; i++)
        sum += half_of(w->piece + (i - w->first) * w->t->stride, w->t->in_committed);
    return sum;
}

static uint64_t count_live(const struct walk *w, uint32_t capacity) {
    uint64_t live = 0;
    for (uint32_t i = 0; i < capacity; i++) live += CORE_LIVE(&w->entries[i]);
    return live;
}

static void walk_slab(struct walk *w, const char *d, uint64_t slice, uint64_t slices) {
    struct making *m = w->m;
    uint32_t capacity = half_of(d, w->t->in_capacity), size = half_of(d, w->t->in_size);
    uint64_t start = start_of(w, slice), committed = charged(w, slice, slices), live = 0;
    if (capacity > half_of(d, w->t->in_reserved) || half_of(d, w->t->in_reserved) > PLACES_MOST ||
        byte_of(d, w->t->in_class) >= w->t->classes)
        return; /* being made just then */
    if ((word_of(d, w->t->in_owner) & w->t->owner_tracked) && w->sides) {
        if (!core_read(m->core, w->entries, capacity * sizeof *w->entries, w->sides + slice * w->t->side_a_slice)) {
            m->lost += capacity > 0;
            return;
        }
        live = count_live(w, capacity);
        uint64_t idle = committed > live * size ? committed - live * size : 0;
        for (uint32_t i = 0; i < capacity; i++)
            if (CORE_LIVE(&w->entries[i])) add_block(m, &w->entries[i], start + (uint64_t)i * size, size, idle / live);
    } else {
        live = count_places(w, d, start, start + slices * w->t->slice, capacity);
        m->capacity += live * size;
    }
    m->slabs++;
    m->blocks += live;
    m->bytes += live * size;
}

static void walk_run(struct walk *w, const char *d, uint64_t slice) {
    struct making *m = w->m;
    struct core_side side;
    uint64_t bytes = word_of(d, w->t->in_run_bytes);
    memcpy(&side, d + w->t->in_run_side, sizeof side);
    m->runs++;
    m->blocks++;
    m->bytes += bytes;
    if (byte_of(d, w->t->in_run_tracked) && CORE_LIVE(&side))
        add_block(m, &side, start_of(w, slice), bytes, 0);
    else
        m->capacity += bytes;
}

/* --- all of them --- */

/* The descriptor, and those behind it as far as a slab may reach; NULL: the core does not have it. */
static const char *descriptor(struct walk *w, uint64_t slice, uint64_t end) {
    uint64_t wanted = end - slice < SPAN_MOST ? end - slice : SPAN_MOST;
    if (slice < w->first || slice + wanted > w->first + w->count) {
        uint64_t there = core_length(w->m->core, w->descriptors + slice * w->t->stride) / w->t->stride;
        w->first = slice;
        w->count = end - slice < PIECE ? end - slice : PIECE;
        if (w->count > there) w->count = there;
        if (!core_read(w->m->core, w->piece, (size_t)(w->count * w->t->stride), w->descriptors + slice * w->t->stride))
            w->count = 0;
    }
    return w->count ? w->piece + (slice - w->first) * w->t->stride : NULL;
}

/* Its slices; 1 at least. */
static uint64_t walk_span(struct walk *w, const char *d, uint64_t slice) {
    uint8_t kind = byte_of(d, w->t->in_kind);
    uint64_t slices = 1;
    if (kind == w->t->kind_slab) {
        slices = byte_of(d, w->t->in_slices);
        walk_slab(w, d, slice, slices);
    } else if (kind == w->t->kind_run) {
        slices = half_of(d, w->t->in_run_slices);
        walk_run(w, d, slice);
    } else if (kind == w->t->kind_kept) {
        slices = half_of(d, w->t->in_run_slices);
    }
    return slices ? slices : 1;
}

static void walk_zone(struct walk *w, uint64_t zone) {
    uint64_t first = core_word(w->m->core, zone + w->t->in_first),
             end = core_word(w->m->core, zone + w->t->in_writable);
    if (end > w->slices) end = w->slices;
    for (uint64_t slice = first; slice < end;) {
        const char *d = descriptor(w, slice, end);
        uint64_t next = d ? 0 : core_next(w->m->core, w->descriptors + slice * w->t->stride);
        if (d)
            slice += walk_span(w, d, slice);
        else if (next >= w->descriptors + end * w->t->stride)
            break;
        else
            slice = next > w->descriptors + slice * w->t->stride ? (next - w->descriptors) / w->t->stride : slice + 1;
    }
}

void making_write_blocks(struct making *m) {
    const struct core_arena *t = &m->t.arena;
    struct walk w = {.m = m,
                     .t = t,
                     .base = core_word(m->core, t->at_base),
                     .slices = core_word(m->core, t->at_slices),
                     .descriptors = core_word(m->core, t->at_descriptors),
                     .sides = m->process.level == DUMP_DISABLED ? 0 : core_word(m->core, t->at_sides),
                     .key = t->at_link_key ? core_word(m->core, t->at_link_key) : 0,
                     .piece = memory_get(PIECE, (size_t)t->stride),
                     .entries = memory_get(PLACES_MOST, sizeof(struct core_side))};
    if (w.slices > SLICES_MOST) w.slices = 0;
    dump_writer_open(&m->w, DUMP_BLOCKS, sizeof(struct dump_block));
    for (uint64_t zone = 0; zone < 2; zone++) walk_zone(&w, t->zones + zone * t->zone_stride);
    dump_writer_close(&m->w);
    free(w.piece);
    free(w.entries);
}
