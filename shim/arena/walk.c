/* Looking at all that is in the arena, beside threads that go on; see arena.h. Counts are exact where nobody allocates.
 */
#include "shim/arena/arena.h"
#include "shim/arena/counts.h"
#include "shim/arena/heap.h"
#include "shim/arena/zones.h"

#include <stdatomic.h>

struct walk {
    const struct arena_look *look;
    struct arena_stats *stats;
    struct arena_class *classes;
};

static void tell_span(const struct walk *w, struct slab *s, size_t slices, uint64_t live) {
    struct arena_span span = {slab_start(s), slices << SLICE_SHIFT, slices_charged(s, slices), live,
                              s->kind == KIND_RUN};
    for (size_t i = 0; i < slices; i++) w->stats->sides += s[i].slice.side_pages * PAGE;
    if (w->look->span && span.committed > 0) w->look->span(w->look->context, &span);
}

char *arena_block_of(const struct side *side, unsigned *kind, size_t *number) {
    struct slab *s = (struct slab *)(uintptr_t)side; /* a run's begins with it */
    if ((uintptr_t)s - (uintptr_t)arena_slabs < arena.slices * sizeof *s) {
        bool high = slab_index(s) >= zones[ZONE_HIGH].first;
        *kind = 1 + high;
        *number = slab_index(s) - zones[high ? ZONE_HIGH : ZONE_LOW].first;
        return slab_start(s);
    }
    size_t at = (size_t)(side - slices_side(arena_slabs));
    *kind = 0;
    *number = at - zones[ZONE_LOW].first * (SIDE_PER_SLICE / sizeof *side);
    s = slab_head(&arena_slabs[at * sizeof *side / SIDE_PER_SLICE]);
    return slab_start(s) + (size_t)(side - slices_side(s)) * s->size;
}
_Static_assert(offsetof(struct slab, run.side) == 0, "a run's descriptor begins with its entry");

static uint64_t walk_sides(const struct walk *w, const struct slab *s, uint32_t capacity, uint64_t pinned) {
    const struct side *side = slices_side(s);
    uint64_t live = 0;
    for (uint32_t i = 0; i < capacity; i++) {
        if (!SIDE_IS_LIVE(atomic_load_explicit(&side[i].state, memory_order_acquire))) continue;
        live++;
        w->look->tracked(w->look->context, slab_start(s) + (size_t)i * s->size, &side[i], pinned);
    }
    return live;
}

static uint64_t count_places(const struct slab *s, uint64_t on_free) {
    uint64_t remote = atomic_load_explicit(&((struct slab *)(uintptr_t)s)->remote, memory_order_relaxed);
    uint64_t gone = on_free + REMOTE_COUNT(remote);
    bool given = (remote & (REMOTE_CLAIMED | REMOTE_GIVEN)) != 0;
    return slab_used(s) > gone && !given ? slab_used(s) - gone : 0;
}

static unsigned occupancy_of(uint64_t live, uint64_t places) {
    return live == 0 ? 0 : live >= places ? ARENA_OCCUPANCIES - 1 : 1 + (unsigned)(4 * live / places);
}

static void walk_slab(const struct walk *w, struct slab *s) {
    uint32_t capacity = slab_capacity(s), reserved = s->reserved;
    if (capacity > reserved || reserved > SLICE / 16 || s->class >= CLASSES) return; /* being made just now */
    bool tracked = (slab_owner_word(s) & OWNER_TRACKED) != 0;
    bool looked = tracked && w->look->tracked && (w->look->epoch == ARENA_ALL_EPOCHS || w->look->epoch == s->epoch);
    uint64_t on_free = slab_free_length(s), live = count_places(s, on_free), committed = slices_charged(s, s->slices);
    if (looked) {
        uint64_t idle = committed - min_size(committed, live * s->size);
        live = walk_sides(w, s, capacity, live > 0 ? idle / live : 0);
        w->stats->told_bytes += live * s->size;
    } else if (tracked) {
        w->stats->older += live;
        w->stats->older_bytes += live * s->size;
    }
    struct arena_class *class = &w->classes[s->class];
    w->stats->slabs++;
    w->stats->blocks += live;
    w->stats->bytes += live * s->size;
    class->slabs++;
    class->live += live;
    class->made -= on_free;
    class->capacity += capacity;
    class->committed += committed;
    class->occupancy[occupancy_of(live, capacity)]++;
    tell_span(w, s, s->slices, live * s->size);
}

static void walk_run(const struct walk *w, struct slab *s) {
    w->stats->runs++;
    w->stats->blocks++;
    w->stats->bytes += s->run.bytes;
    w->classes[CLASSES].live++;
    w->classes[CLASSES].capacity++;
    w->classes[CLASSES].committed += slices_charged(s, s->run.slices);
    if (s->run.tracked && w->look->tracked &&
        SIDE_IS_LIVE(atomic_load_explicit(&s->run.side.state, memory_order_acquire))) {
        w->look->tracked(w->look->context, slab_start(s), &s->run.side, 0);
        w->stats->told_bytes += s->run.bytes;
    }
    tell_span(w, s, s->run.slices, s->run.bytes);
}

/* Its slices; 1 at least. */
static size_t walk_used(const struct walk *w, struct slab *s) {
    size_t slices = 0;
    if (s->kind == KIND_SLAB) {
        slices = s->slices;
        walk_slab(w, s);
    } else if (s->kind == KIND_RUN) {
        slices = s->run.slices;
        walk_run(w, s);
    } else if (s->kind == KIND_KEPT) {
        slices = s->run.slices;
        tell_span(w, s, slices, 0);
    } else if (s->kind == KIND_EMERGENCY || s->kind == KIND_NONE || s->kind == KIND_TAIL) {
        tell_span(w, s, 1, 0);
    }
    return slices > 0 ? slices : 1;
}

void arena_walk(const struct arena_look *look, struct arena_stats *stats, struct arena_class classes[CLASSES + 1]) {
    struct walk w = {look, stats, classes};
    for (int zone = ZONE_LOW; zone <= ZONE_HIGH; zone++) {
        size_t first, end;
        slices_bounds((enum slices_zone)zone, &first, &end);
        for (size_t i = first; (i = slices_next_used((enum slices_zone)zone, i, end)) < end;)
            i += walk_used(&w, &arena_slabs[i]);
        for (size_t i = first; (i = slices_next_retained((enum slices_zone)zone, i, end)) < end; i++)
            tell_span(&w, &arena_slabs[i], 1, 0);
    }
    uint64_t made[CLASSES + 1] = {0};
    counts_sum(made);
    for (unsigned c = 0; c <= CLASSES; c++) {
        classes[c].made += made[c];
        /* Of a list that was just being made the places may be there, and not be counted yet. */
        if ((int64_t)(classes[c].made - classes[c].live) < 0) classes[c].made = classes[c].live;
    }
    stats->heaps = heap_count();
    for (size_t i = 0; i < stats->heaps; i++)
        stats->parked += atomic_load_explicit(&heap_at(i)->parked, memory_order_relaxed);
    stats->purged = slices_purged();
    stats->reserved = slices_reserved();
}
