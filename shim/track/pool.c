/* See pool.h. */
#include "shim/track/pool.h"
#include "shim/base/clock.h"
#include "shim/track/request.h"

static bool is_inside(const struct place *place, const void *p, size_t n) {
    if (!place->tracked || !place->exists) return false;
    uint32_t state = atomic_load_explicit(&place->side->state, memory_order_acquire);
    size_t offset = (size_t)((const char *)p - place->start);
    return SIDE_IS_LIVE(state) && offset < place->side->size && n <= place->side->size - offset;
}

static struct part part_of(const void *p, size_t n, const void *frame) {
    return (struct part){.start = (uintptr_t)p,
                         .size = n,
                         .time = clock_made(),
                         .stack = track_take_stack(frame),
                         .thread = track_thread(),
                         .ignored = tls.ignores > 0};
}

void pool_give_out(const void *p, size_t n, const void *frame) {
    struct place place = arena_find(p);
    if (n == 0) n = 1;
    bool outside = place.kind == PLACE_FOREIGN && p && n <= PTRDIFF_MAX;
    if (!outside && !is_inside(&place, p, n)) return;
    bool outermost = arena_enter();
    if (likely(outermost)) {
        tls.refused = 0;
        const struct part part = part_of(p, n, frame);
        const struct place *around = outside ? NULL : &place;
        if (unlikely(!pools_add(around, &part)) && !(track_may_find_room() && pools_add(around, &part)))
            pools_count_lost();
    } else {
        pools_count_lost();
    }
    track_leave(outermost);
}

void pool_take_back(const void *p) {
    bool outermost = arena_enter();
    if (likely(outermost))
        (void)pools_remove(p);
    else
        pools_count_lost();
    track_leave(outermost);
}
