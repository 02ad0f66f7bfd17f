/* What weir_touch is told; see records.h. Texts are appended, one behind the other with a zero byte each, then
 * published in an index of open places by compare-and-swap: an id is valid for ever. Nothing is locked; the worst that
 * a fork or a handler leaves behind is a text stored twice. */
#include "shim/base/region.h"
#include "shim/box/beacon.h"
#include "shim/box/records.h"

#include <stdatomic.h>

#define TEXT_MAX   (1 * MIB)
#define PLACES_MAX 4096u /* hints, less an eighth */
#define LOOKS_MAX  64u

static struct region texts;
static _Atomic size_t used = 1;             /* an id is where a text begins */
static _Atomic uint32_t places[PLACES_MAX]; /* ids, 0: an open place */

const struct core_hints core_hints = {
    .at_texts = CORE_ADDRESS(texts.base), .at_used = CORE_ADDRESS(used), .at_committed = CORE_ADDRESS(texts.committed)};
_Static_assert(HINT_LOST == CORE_HINT_LOST, "the reader of a core knows it");

bool hints_start(void) {
    return region_reserve(&texts, TEXT_MAX, false);
}

static bool is_at(uint32_t id, const char *hint, size_t length) {
    const char *text = texts.base + id;
    return mem_equal(text, hint, length) && text[length] == 0;
}

/* 0: no room. */
static uint32_t append(const char *hint, size_t length) {
    size_t at = atomic_load_explicit(&used, memory_order_relaxed);
    do {
        if (!region_commit(&texts, at + length + 1)) return 0;
    } while (!atomic_compare_exchange_weak_explicit(&used, &at, at + length + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    mem_copy(texts.base + at, hint, length); /* behind it all is zero */
    return (uint32_t)at;
}

uint32_t hint_id(const char *hint) {
    size_t length = 0;
    if (!hint) return 0;
    while (length < HINT_MAX && hint[length]) length++;
    if (length == 0) return 0;
    uint32_t mine = 0, at = (uint32_t)(mem_hash(hint, length) >> 32);
    for (uint32_t looks = 0; looks < LOOKS_MAX; looks++, at++) {
        _Atomic uint32_t *place = &places[at % PLACES_MAX];
        uint32_t id = atomic_load_explicit(place, memory_order_acquire);
        if (id == 0) {
            if (mine == 0) mine = append(hint, length);
            if (mine == 0) return HINT_LOST;
            if (atomic_compare_exchange_strong_explicit(place, &id, mine, memory_order_acq_rel, memory_order_acquire))
                return mine;
        }
        if (is_at(id, hint, length)) return id;
    }
    return HINT_LOST;
}

const char *hints_all(size_t *length) {
    size_t there = atomic_load_explicit(&texts.committed, memory_order_acquire);
    *length = min_size(there, atomic_load_explicit(&used, memory_order_acquire));
    return texts.base;
}

size_t hint_at(uint32_t id, size_t *length) {
    size_t all;
    const char *text = hints_all(&all);
    *length = 0;
    if (id == 0) return 0;
    while (id + *length < all && *length < HINT_MAX && text[id + *length]) ++*length;
    return id;
}
