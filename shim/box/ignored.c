/* See ignored.h. */
#include "shim/box/ignored.h"
#include "shim/box/beacon.h"
#include "shim/box/pools.h"

#include <stdatomic.h>

/* --- blocks --- */

#define LOOKS_MAX 64u

static _Atomic uintptr_t places[IGNORED_PLACES]; /* where blocks begin, found by a hash; 0: an open place */

static size_t first_look(uintptr_t block) {
    return (size_t)((block >> 4) * 0x9e3779b97f4a7c15u >> 52);
}
_Static_assert(IGNORED_PLACES == 1u << (64 - 52), "a hash of so many bits");

static enum ignored add_place(uintptr_t block) {
    size_t at = first_look(block);
    for (uint32_t looks = 0; looks < LOOKS_MAX; looks++, at++) {
        uintptr_t there = 0;
        if (atomic_compare_exchange_strong_explicit(&places[at % IGNORED_PLACES], &there, block, memory_order_relaxed,
                                                    memory_order_relaxed))
            return IGNORED_NOW;
        if (there == block) return IGNORED_BEFORE;
    }
    return IGNORED_NO_ROOM;
}

static bool has_place(uintptr_t block) {
    size_t at = first_look(block);
    for (uint32_t looks = 0; looks < LOOKS_MAX; looks++, at++) {
        uintptr_t there = atomic_load_explicit(&places[at % IGNORED_PLACES], memory_order_relaxed);
        if (there == block || there == 0) return there == block;
    }
    return false;
}

static _Atomic bool any;

bool ignored_any(void) {
    return atomic_load_explicit(&any, memory_order_relaxed);
}

bool ignored_scope(bool begins) {
    if (!begins && tls.ignores == 0) return false;
    atomic_store_explicit(&any, true, memory_order_relaxed);
    arena_ignore(begins);
    return true;
}

enum ignored ignored_add(const void *p) {
    atomic_store_explicit(&any, true, memory_order_relaxed);
    if (pools_on && pools_ignore(p)) return IGNORED_NOW;
    struct place place = arena_find(p);
    if (!place.exists || (place.kind != PLACE_SLOT && place.kind != PLACE_RUN)) return IGNORED_NO_BLOCK;
    if (!place.tracked) return add_place((uintptr_t)place.start);
    uint32_t state = atomic_load_explicit(&place.side->state, memory_order_acquire);
    while (SIDE_IS_LIVE(state)) {
        if (state & SIDE_IGNORED) return IGNORED_BEFORE;
        if (atomic_compare_exchange_weak_explicit(&place.side->state, &state, state | SIDE_IGNORED,
                                                  memory_order_acq_rel, memory_order_acquire))
            return IGNORED_NOW;
    }
    return IGNORED_NO_BLOCK;
}

bool ignored_has(const void *block) {
    struct place place = arena_find(block);
    if (!place.tracked) return has_place((uintptr_t)block);
    uint32_t state = atomic_load_explicit(&place.side->state, memory_order_relaxed);
    return SIDE_IS_LIVE(state) && (state & SIDE_IGNORED);
}

/* --- regions --- */

enum region_state { REGION_OPEN, REGION_CHANGES, REGION_SET };
static struct region_slot {
    _Atomic uint32_t state; /* enum region_state; the others hold where it is SET */
    uintptr_t start;
    size_t size;
} regions[IGNORED_REGIONS];

const struct core_ignored core_ignored = {.places = CORE_ADDRESS(places),
                                          .place_count = IGNORED_PLACES,
                                          .regions = CORE_ADDRESS(regions),
                                          .region_count = IGNORED_REGIONS,
                                          .stride = sizeof(struct region_slot),
                                          .in_state = offsetof(struct region_slot, state),
                                          .in_start = offsetof(struct region_slot, start),
                                          .in_size = offsetof(struct region_slot, size),
                                          .set = REGION_SET};

static bool claim(struct region_slot *r, uint32_t from) {
    return atomic_compare_exchange_strong_explicit(&r->state, &from, REGION_CHANGES, memory_order_acquire,
                                                   memory_order_relaxed);
}

bool ignored_add_region(const void *start, size_t size) {
    for (size_t i = 0; i < IGNORED_REGIONS; i++) {
        struct region_slot *r = &regions[i];
        if (!claim(r, REGION_OPEN)) continue;
        r->start = (uintptr_t)start;
        r->size = size;
        atomic_store_explicit(&r->state, REGION_SET, memory_order_release);
        return true;
    }
    return false;
}

bool ignored_remove_region(const void *start, size_t size) {
    for (size_t i = 0; i < IGNORED_REGIONS; i++) {
        struct region_slot *r = &regions[i];
        if (!claim(r, REGION_SET)) continue;
        bool is = r->start == (uintptr_t)start && r->size == size;
        atomic_store_explicit(&r->state, is ? REGION_OPEN : REGION_SET, memory_order_release);
        if (is) return true;
    }
    return false;
}

void ignored_each_region(void (*see)(uintptr_t from, uintptr_t end)) {
    for (size_t i = 0; i < IGNORED_REGIONS; i++) {
        const struct region_slot *r = &regions[i];
        if (atomic_load_explicit(&regions[i].state, memory_order_acquire) != REGION_SET) continue;
        if (r->size <= UINTPTR_MAX - r->start) see(r->start, r->start + r->size);
    }
}
