/* One slab: making it, extending it, taking places from its lists. The owner's thread only. */
#include "shim/arena/heap.h"
#include "shim/base/charge.h"

#include <stdatomic.h>

/* Fresh places come in steps of so many bytes, so that little is charged too early. A larger step (SLAB_STEP_MAX) costs
 * nothing where the memory is charged and resident already, and less of the kernel's time where it is not: the pages of
 * a step are made in one call, which takes a third of what as many faults take. So it is taken as soon as the class has
 * shown that it needs it, by a slab that has grown or another one that is full. */
#define EXTEND       (4 * KIB)
#define POPULATE_MAX (1 * KIB) /* places up to here are taken to be written as a whole */

void (*slab_corrupted)(const void *block);

static bool in_same_span(const void *a, const void *b) {
    return (((uintptr_t)a ^ (uintptr_t)b) >> SLAB_SPAN_SHIFT) == 0;
}

static bool all_careful;

void slabs_start(bool careful) {
    all_careful = careful;
}

struct slab *slab_make(struct heap *h, unsigned class, bool tracked, bool another) {
    size_t size = class_size(class), slices = size <= SLOT_SMALL_MAX ? 1 : SLAB_SLICES_LARGE;
    struct slab *s = slices_take(ZONE_LOW, slices, slices);
    if (!s) return NULL;
    s->free = &slab_nil;
    s->local_free = NULL;
    s->counts = 0;
    atomic_store_explicit(&s->capacity, 0, memory_order_relaxed);
    s->reserved = (uint32_t)((slices << SLICE_SHIFT) / size);
    s->size = (uint32_t)size;
    s->reciprocal = (uint32_t)(((1ull << 31) + (size >> 4) - 1) / (size >> 4));
    s->class = (uint8_t) class;
    s->slices = (uint8_t)slices;
    atomic_store_explicit(&s->rest, REST_NOT, memory_order_relaxed);
    s->next = s->previous = NULL;
    s->grows_fast = another;
    s->remote_next = NULL;
    atomic_store_explicit(&s->remote, 0, memory_order_relaxed);
    for (size_t i = 1; i < slices; i++) {
        s[i].kind = KIND_TAIL;
        slab_set_owner_word(&s[i], NO_OWNER);
        s[i].head = (uint32_t)i;
    }
    s->kind = KIND_SLAB;
    slab_set_owner_word(s, (uintptr_t)h | (tracked ? OWNER_TRACKED : 0) | (all_careful ? OWNER_CAREFUL : 0));
    return s;
}

void slab_give_back(struct slab *s) {
    ASSERT(atomic_load(&s->remote) == 0);
    slices_give(s, s->slices);
}

/* Charges the side entries of places [from, to) and marks them as never used. */
static bool extend_sides(struct slab *s, uint32_t from, uint32_t to) {
    size_t pages = round_up(to * sizeof(struct side), PAGE) / PAGE;
    if (pages > s->slice.side_pages) {
        if (!charge_take((pages - s->slice.side_pages) * PAGE)) return false;
        s->slice.side_pages = (uint8_t)pages;
    }
    struct side *side = slices_side(s);
    for (uint32_t i = from; i < to; i++) atomic_store_explicit(&side[i].state, SIDE_NEVER, memory_order_relaxed);
    return true;
}

/* How many bytes of fresh places to make. */
static size_t step_of(const struct slab *s, size_t from_bytes) {
    size_t resident = s[from_bytes >> SLICE_SHIFT].slice.committed, begun = from_bytes & (SLICE - 1);
    if (resident > begun + EXTEND) return min_size(resident - begun, SLAB_STEP_MAX);
    return s->size <= POPULATE_MAX && (s->grows_fast || from_bytes >= SLAB_STEP_MAX) ? SLAB_STEP_MAX : EXTEND;
}

/* Charges places [from, from + count). */
static bool commit(struct slab *s, uint32_t from, uint32_t count) {
    size_t begin = (size_t)from * s->size, end = round_up(begin + (size_t)count * s->size, PAGE);
    size_t had = s[begin >> SLICE_SHIFT].slice.committed;
    if (!slices_commit(s, end)) return false;
    if ((slab_owner_word(s) & OWNER_TRACKED) && !extend_sides(s, from, from + count)) return false;
    if (s->slices == 1 && end > had + EXTEND) slices_populate(slab_start(s) + had, end - had);
    return true;
}

static bool extend(struct slab *s) {
    uint32_t from = slab_capacity(s), left = s->reserved - from;
    if (left == 0) return false;
    size_t from_bytes = (size_t)from * s->size, step = step_of(s, from_bytes);
    uint32_t count = (uint32_t)(step / s->size);
    if (count == 0) count = 1;
    if (count > left) count = left;
    if (!commit(s, from, count)) {
        uint32_t least = s->size < EXTEND ? (uint32_t)(EXTEND / s->size) : 1;
        if (count <= least || !commit(s, from, count = least)) return false; /* the ceiling is near */
    }
    char *p = slab_start(s) + from_bytes;
    s->free = (struct link *)(void *)p;
    for (uint32_t i = 1; i < count; i++, p += s->size) {
        link_set((struct link *)(void *)p, (struct link *)(void *)(p + s->size));
    }
    link_set((struct link *)(void *)p, NULL);
    atomic_store_explicit(&s->capacity, from + count, memory_order_relaxed);
    s->used += count;
    return true;
}

bool slab_refill(struct slab *s) {
    ASSERT(s->free == &slab_nil);
    if (!s->local_free) return extend(s);
    if (unlikely(!in_same_span(s->local_free, slab_start(s)))) {
        slab_corrupted(s->local_free);
        s->local_free = NULL; /* what was on it is lost, and counted as in use for good */
        return extend(s);
    }
    /* In this order, since a fork in another thread may fall between: its child then lacks the list, no more. */
    struct link *list = s->local_free;
    s->used = slab_capacity(s);
    atomic_signal_fence(memory_order_seq_cst);
    s->local_free = NULL;
    atomic_signal_fence(memory_order_seq_cst);
    s->free = list;
    return true;
}

void *slab_pop(struct slab *s) {
    struct link *b = s->free;
    if (b == &slab_nil) return NULL;
    struct link *next = link_next(b);
    if (next == NULL) {
        s->free = &slab_nil;
    } else if (likely(in_same_span(next, b))) {
        s->free = next;
    } else {
        s->free = &slab_nil;
        slab_corrupted(b);
    }
    return b;
}

uint32_t slab_free_length(const struct slab *s) {
    uint32_t n = 0;
    const struct link *start = (const void *)slab_start(s);
    for (const struct link *p = s->free; p && p != &slab_nil && n <= slab_capacity(s); p = link_next(p), n++)
        if (!in_same_span(p, start)) break;
    return n;
}
