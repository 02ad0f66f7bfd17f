/* See walk.h. */
#include "reporter/load/core/walk.h"

#include <stdlib.h>

#include "reporter/load/memory.h"

#define SLICES_MOST ((uint64_t)1 << 26)
#define PIECE       512u /* descriptors */
#define SPAN_MOST   64u  /* slices of a slab, beside which others are looked at */

struct walk {
    struct making *m;
    const struct core_arena *t;
    struct window window;
    uint64_t descriptors, sides;
    char *piece; /* descriptors from `first` on */
    uint64_t first, count;
    char *more; /* the same, of a span that does not lie in that piece as a whole */
    uint64_t more_first, more_count;
    void (*see)(void *context, const struct span *span);
    void *context;
};

struct window walk_window(struct making *m) {
    const struct core_arena *t = &m->t.arena;
    struct window w = {core_word(m->core, t->at_base), 0, core_word(m->core, t->at_slices)};
    if (w.slices > SLICES_MOST || w.slices * t->slice > UINT64_MAX - w.start) w.slices = 0;
    w.end = w.start + w.slices * t->slice;
    return w;
}

void walk_list(struct making *m, const struct span *slab, uint64_t first, void (*see)(void *context, uint64_t place),
               void *context) {
    uint64_t end = slab->start + slab->places * slab->size, at = first;
    uint64_t key = m->t.arena.at_link_key ? core_word(m->core, m->t.arena.at_link_key) : 0;
    for (uint32_t n = 0; at >= slab->start && at < end && n <= slab->places; n++) {
        see(context, at);
        at = (core_word(m->core, at) ^ (key ? at ^ key : 0)) & ~m->t.arena.link_mark;
    }
}

/* --- a span --- */

/* The descriptor of a slice of a span that ends before `end`; NULL: the core does not have it. */
static const char *any_descriptor(struct walk *w, uint64_t slice, uint64_t end) {
    if (slice - w->first < w->count) return w->piece + (slice - w->first) * w->t->stride;
    if (slice - w->more_first >= w->more_count) {
        w->more_first = slice;
        w->more_count = end - slice < PIECE ? end - slice : PIECE;
        uint64_t address = w->descriptors + slice * w->t->stride;
        if (!core_read(w->m->core, w->more, (size_t)(w->more_count * w->t->stride), address)) w->more_count = 1;
        if (w->more_count == 1 && !core_read(w->m->core, w->more, (size_t)w->t->stride, address)) w->more_count = 0;
    }
    return w->more_count ? w->more + (slice - w->more_first) * w->t->stride : NULL;
}

static void add_charged(struct walk *w, struct span *span) {
    for (uint64_t i = span->slice; i < span->slice + span->slices; i++) {
        const char *d = any_descriptor(w, i, span->slice + span->slices);
        if (!d) continue;
        span->committed += half_of(d, w->t->in_committed);
        span->sides += byte_of(d, w->t->in_side_pages) * (uint64_t)CORE_PAGE;
    }
}

static bool is_slab(const struct walk *w, const char *d, struct span *span) {
    span->places = half_of(d, w->t->in_capacity);
    span->size = half_of(d, w->t->in_size);
    if (span->places > half_of(d, w->t->in_reserved) || half_of(d, w->t->in_reserved) > PLACES_MOST ||
        byte_of(d, w->t->in_class) >= w->t->classes || span->places * span->size > span->slices * w->t->slice)
        return false; /* being made just then */
    span->kind = SPAN_SLAB;
    span->tracked = (word_of(d, w->t->in_owner) & w->t->owner_tracked) && w->sides;
    span->entries = w->sides + span->slice * w->t->side_a_slice;
    return true;
}

static bool is_run(const struct walk *w, const char *d, struct span *span) {
    span->kind = SPAN_RUN;
    span->places = 1;
    span->size = word_of(d, w->t->in_run_bytes);
    span->tracked = byte_of(d, w->t->in_run_tracked) == 1;
    return span->size <= span->slices * w->t->slice;
}

/* Its slices; 1 at least. */
static uint64_t see_span(struct walk *w, const char *d, uint64_t slice, uint64_t end) {
    uint8_t kind = byte_of(d, w->t->in_kind);
    bool slab = kind == w->t->kind_slab, run = kind == w->t->kind_run, kept = kind == w->t->kind_kept;
    uint64_t slices = slab ? byte_of(d, w->t->in_slices) : run || kept ? half_of(d, w->t->in_run_slices) : 1;
    if (slices > end - slice) slices = end - slice;
    if (slices == 0) slices = 1;
    struct span span = {.kind = kind == w->t->kind_emergency ? SPAN_EMERGENCY : SPAN_IDLE,
                        .d = d,
                        .start = w->window.start + slice * w->t->slice,
                        .slice = slice,
                        .slices = slices};
    add_charged(w, &span);
    bool made = slab ? is_slab(w, d, &span) : run ? is_run(w, d, &span) : true;
    if (!made) span.kind = SPAN_IDLE;
    w->see(w->context, &span);
    return slices;
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

/* From `least` on: no slice is of both zones. Where it ends. */
static uint64_t walk_zone(struct walk *w, uint64_t zone, uint64_t least) {
    uint64_t slice = core_word(w->m->core, zone + w->t->in_first),
             end = core_word(w->m->core, zone + w->t->in_writable);
    if (end > w->window.slices) end = w->window.slices;
    if (slice < least) slice = least;
    while (slice < end) {
        const char *d = descriptor(w, slice, end);
        uint64_t next = d ? 0 : core_next(w->m->core, w->descriptors + slice * w->t->stride);
        if (d)
            slice += see_span(w, d, slice, end);
        else if (next >= w->descriptors + end * w->t->stride)
            break;
        else
            slice = next > w->descriptors + slice * w->t->stride ? (next - w->descriptors) / w->t->stride : slice + 1;
    }
    return end > least ? end : least;
}

void walk_spans(struct making *m, void (*see)(void *context, const struct span *span), void *context) {
    const struct core_arena *t = &m->t.arena;
    struct walk w = {.m = m,
                     .t = t,
                     .window = walk_window(m),
                     .descriptors = core_word(m->core, t->at_descriptors),
                     .sides = core_word(m->core, t->at_sides),
                     .piece = memory_get(PIECE, (size_t)t->stride),
                     .more = memory_get(PIECE, (size_t)t->stride),
                     .see = see,
                     .context = context};
    uint64_t least = 0;
    for (uint64_t zone = 0; zone < 2; zone++) least = walk_zone(&w, t->zones + zone * t->zone_stride, least);
    free(w.piece);
    free(w.more);
}
