/* One slab: making it, extending it, taking places from its lists. The owner's thread only. */
#include "shim/arena/counts.h"
#include "shim/arena/heap.h"
#include "shim/arena/sample.h"
#include "shim/base/charge.h"

#include <stdatomic.h>

/* Fresh places come in steps of so many bytes, so that little is charged too early. A larger step (SLAB_STEP_MAX) costs
 * nothing where the memory is charged and resident already, and less of the kernel's time where it is not: the pages of
 * a step are made in one call, which takes a third of what as many faults take. So it is taken as soon as the class has
 * shown that it needs it, by a slab that has grown or another one that is full. */
#define EXTEND       (4 * KIB)
#define POPULATE_MAX (1 * KIB) /* places up to here are taken to be written as a whole */

void (*slab_misused)(enum slab_misuse what, const void *block);

static bool all_careful, checks_lists;

void slabs_start(bool careful, bool check) {
    all_careful = careful;
    checks_lists = check;
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
    s->waypoint_count = s->waypoint_shift = 0;
    h->slabs++;
    s->grows_fast = another;
    s->remote_next = NULL;
    atomic_store_explicit(&s->remote, 0, memory_order_relaxed);
    for (size_t i = 1; i < slices; i++) {
        s[i].kind = KIND_TAIL;
        slab_set_owner_word(&s[i], NO_OWNER);
        s[i].head = (uint32_t)i;
    }
    s->kind = KIND_SLAB;
    sample_slab(s);
    slab_set_owner_word(s, (uintptr_t)h | (tracked ? OWNER_TRACKED : 0) | (all_careful ? OWNER_CAREFUL : 0));
    return s;
}

void slab_give_back(struct slab *s) {
    ASSERT(atomic_load(&s->remote) == 0);
    slab_owner(s)->slabs--;
    if (s->free != &slab_nil) counts_add(slab_owner(s), s->class, -(uint64_t)slab_used(s)); /* all that is on it */
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
    char *first = slab_start(s) + from_bytes, *p = first;
    s->free = (struct link *)(void *)p;
    for (uint32_t i = 1; i < count; i++, p += s->size) {
        link_set((struct link *)(void *)p, (struct link *)(void *)(p + s->size));
    }
    link_set((struct link *)(void *)p, NULL);
    uint64_t marked = sample_begin(s);
    for (; marked < count; marked += 1 + sample_distance(s)) {
        struct link *b = (struct link *)(void *)(first + marked * s->size);
        link_set_marked(b, link_next(b), true);
    }
    s->left = marked - count;
    atomic_store_explicit(&s->capacity, from + count, memory_order_relaxed);
    s->used += count;
    s->refilled = (uint16_t)count;
    counts_add(slab_owner(s), s->class, count);
    return true;
}

/* A list that is about to be handed out, or to go with its slab, is looked at as a whole: each link must lead to the
 * start of a place, none to the same one twice. A fast free writes whatever it is given, and counts it. */
static NOINLINE struct link *cut(struct slab *s, struct link *before, enum slab_misuse what, const void *block) {
    /* What lay beyond is lost, and counts as in use for good. */
    if (before)
        link_set(before, NULL);
    else
        s->local_free = NULL;
    slab_misused(what, block);
    return NULL;
}

/* A pointer into a block: that one goes, the list goes on. */
static NOINLINE struct link *skip(struct slab *s, struct link *before, const struct link *bad) {
    struct link *next = link_follow(bad);
    if (before)
        link_set(before, next);
    else
        s->local_free = next;
    slab_misused(SLAB_INTERIOR, bad);
    return next;
}

/* The careful look, once something is wrong: from the first link on, with a bit for each place seen. */
static NOINLINE uint32_t check_slowly(struct slab *s) {
    uint64_t seen[SLICE / 16 / 64] = {0}, bytes = slab_grown(s);
    struct link *before = NULL, *b = s->local_free;
    uint32_t n = 0;
    while (b) {
        uint64_t offset = (uint64_t)((const char *)b - slab_start(s));
        uint64_t place = offset < bytes ? ((offset >> 4) * s->reciprocal) >> 31 : 0, bit = 1ull << (place & 63);
        if (offset >= bytes || (offset & 7)) {
            b = cut(s, before, SLAB_OVERWRITTEN, before ? before : b);
        } else if (place * s->size != offset) {
            b = skip(s, before, b);
        } else if (seen[place >> 6] & bit) {
            b = cut(s, before, SLAB_FREED_TWICE, b);
        } else {
            seen[place >> 6] |= bit;
            n++;
            before = b;
            b = link_follow(b); /* the quick look may have marked it */
        }
    }
    return n;
}

/* The quick one marks each place in its second word, with a number that no other look has used. What has the mark
 * already was met before, or holds the number by chance, which the careful look tells apart. */
static uint64_t next_mark(struct heap *h) {
    return ((uint64_t)(uintptr_t)h << 20 ^ ++h->looks) * 0x9e3779b97f4a7c15u;
}

/* A list that was freed into long ago is in no cache, and its links lead from one miss to the next. So while a slab
 * rests, it is noted every few frees where its list begins, and all parts of it are brought into the cache at the same
 * time before it is looked at. When there is no more room, every second waypoint goes, and as many frees again lie
 * between two. They are hints: nothing is believed of them but that they lie in the slab. */
#define WAYPOINT_EVERY 5u /* frees, at first */
#define MANY_SLABS     16 /* of a heap with fewer a cache holds enough */

static bool is_looked_at(const struct slab *s) {
    return likely(checks_lists) && !(slab_owner_word(s) & OWNER_TRACKED);
}

static uint32_t waypoint_distance(const struct slab *s) {
    return WAYPOINT_EVERY << s->waypoint_shift;
}

static void thin_waypoints(struct slab *s) {
    for (unsigned i = 0; i < WAYPOINTS / 2; i++) s->waypoints[i] = s->waypoints[2 * i + 1];
    s->waypoint_count = WAYPOINTS / 2;
    s->waypoint_shift++;
}

/* Neighbours are freed one after the other: the processor foresees a walk along them by itself. */
static bool is_in_a_row(const struct slab *s) {
    if (s->waypoint_count < 2) return false;
    unsigned last = s->waypoint_count - 1u;
    uint32_t from = s->waypoints[0], to = s->waypoints[last];
    return (from > to ? from - to : to - from) == last * waypoint_distance(s) * (s->size >> 4);
}

uint32_t slab_note_waypoint(struct slab *s) {
    if (!is_looked_at(s) || slab_owner(s)->slabs < MANY_SLABS || is_in_a_row(s)) return UINT32_MAX;
    uint32_t free = slab_capacity(s) - slab_used(s);
    if (s->waypoint_count == WAYPOINTS && free / waypoint_distance(s) > WAYPOINTS) thin_waypoints(s);
    if (s->local_free && free / waypoint_distance(s) > s->waypoint_count)
        s->waypoints[s->waypoint_count++] = (uint16_t)((size_t)((char *)s->local_free - slab_start(s)) >> 4);
    return waypoint_distance(s) - free % waypoint_distance(s);
}

static void bring_in(const struct slab *s) {
    const char *start = slab_start(s);
    uint64_t last = slab_grown(s) - sizeof(struct link); /* where a link may begin */
    unsigned parts = s->waypoint_count + 1;
    const struct link *at[WAYPOINTS + 1] = {s->local_free};
    for (unsigned i = 1; i < parts; i++)
        at[i] = (const struct link *)(const void *)(start + ((size_t)s->waypoints[i - 1] << 4));
    for (unsigned n = waypoint_distance(s); n > 0; n--) {
        for (unsigned i = 0; i < parts; i++) {
            const struct link *next = link_next(at[i]);
            if ((uint64_t)((const char *)next - start) <= last) at[i] = next;
        }
    }
    __asm__ volatile("" ::"r"(at) : "memory"); /* else nothing would be read */
}

/* Looks at no more than `most` places from *at on, which is the last one of them then. How many they were; `most` + 1:
 * one is not as it should be. */
ALWAYS_INLINE uint64_t look_at(const struct slab *s, struct link **at, uint64_t mark, uint64_t most) {
    uint64_t reciprocal = s->reciprocal, size = s->size, bytes = slab_grown(s), left = most;
    const char *start = slab_start(s);
    for (struct link *b = *at, *next;; b = next) {
        uint64_t offset = (uint64_t)((const char *)b - start);
        if (unlikely(offset >= bytes) || unlikely((((offset >> 4) * reciprocal) >> 31) * size != offset) ||
            unlikely(b[1].word == mark))
            return most + 1;
        b[1].word = mark;
        if (unlikely(--left == 0) || !(next = link_next(b))) {
            *at = b;
            return most - left;
        }
    }
}

/* One more than a slab has, so that a list that leads back is always noticed. */
#define PLACES_MAX (SLICE / 16 + 1)

static uint32_t check_quickly(struct slab *s) {
    struct link *b = s->local_free;
    uint64_t seen = look_at(s, &b, next_mark(slab_owner(s)), PLACES_MAX);
    return likely(seen < PLACES_MAX) ? (uint32_t)seen : check_slowly(s);
}

/* The same, and marks what is drawn: the place that `left` others come before, and so on. */
static uint32_t check_and_draw(struct slab *s, uint64_t left) {
    uint64_t mark = next_mark(slab_owner(s)), n = 0;
    for (struct link *b = s->local_free, *next;; b = next) {
        uint64_t most = min_size(left, PLACES_MAX) + 1, seen = look_at(s, &b, mark, most);
        if (unlikely(seen > most)) return check_slowly(s);
        n += seen;
        next = link_next(b);
        if (seen > left) { /* b is the one */
            link_set_marked(b, next, true);
            left += 1 + sample_distance(s);
        }
        left -= seen;
        if (!next) break;
    }
    s->left = left;
    return (uint32_t)n;
}

/* Tracked places have states, which every free looks at. Without the check at least no link may lead out of the slab.
 */
uint32_t slab_check(struct slab *s, uint64_t left) {
    if (is_looked_at(s)) {
        if (s->waypoint_count > 0 && !is_in_a_row(s)) bring_in(s);
        return left == SLAB_NO_MARKS ? check_quickly(s) : check_and_draw(s, left);
    }
    if (likely(slab_in_same_span(s->local_free, slab_start(s)))) return slab_capacity(s) - slab_used(s);
    (void)cut(s, NULL, SLAB_OVERWRITTEN, s->local_free);
    return 0;
}

/* Adds the list's places to those seen. False: it is not a list of free places. The slab rests, and its owner's stores
 * came in their order; ThreadSanitizer cannot know. */
__attribute__((no_sanitize("thread"))) static NOINLINE bool see(const struct slab *s, const char *start,
                                                                struct link *const *list, uint64_t *seen, uint32_t *n) {
    uint64_t reserved = s->reserved, size = s->size, reciprocal = s->reciprocal;
    for (const struct link *b = *list; b; b = (const struct link *)(b->word ^ LINK_MIX(b)), ++*n) {
        uint64_t offset = (uint64_t)((const char *)b - start);
        if (offset >= reserved * size) return false;
        uint64_t place = ((offset >> 4) * reciprocal) >> 31, bit = 1ull << (place & 63);
        if (place * size != offset || (seen[place >> 6] & bit)) return false;
        seen[place >> 6] |= bit;
    }
    return true;
}

bool slab_is_all_free(const struct slab *s, struct link *remote) {
    uint64_t seen[SLICE / 16 / 64] = {0};
    uint32_t n = 0;
    if (!checks_lists) return true; /* by the counts */
    return see(s, slab_start(s), &s->local_free, seen, &n) && see(s, slab_start(s), &remote, seen, &n) &&
           n == slab_capacity(s);
}

bool slab_holds_nothing(struct slab *s) {
    uint32_t capacity = slab_capacity(s), n = slab_free_length(s);
    if (n < capacity && s->local_free) n += slab_check(s, SLAB_NO_MARKS);
    if (likely(n == capacity) && atomic_load_explicit(&s->remote, memory_order_relaxed) == 0) return true;
    s->asleep = 0;
    s->used = slab_free_length(s) + capacity - n; /* it was counted down by more than came home */
    return false;
}

bool slab_refill(struct slab *s) {
    ASSERT(s->free == &slab_nil && s->asleep == 0);
    if (!s->local_free) return extend(s);
    uint64_t left = sample_begin(s);
    uint32_t n = slab_check(s, left);
    if (unlikely(n == 0)) return extend(s); /* what was on it is lost */
    s->refilled = (uint16_t)n;
    s->waypoint_count = s->waypoint_shift = 0;
    /* In this order, since a fork in another thread may fall between: its child then lacks the list, no more. */
    struct link *list = s->local_free;
    s->used = slab_capacity(s);
    atomic_signal_fence(memory_order_seq_cst);
    s->local_free = NULL;
    atomic_signal_fence(memory_order_seq_cst);
    s->free = list;
    counts_add(slab_owner(s), s->class, n);
    if (left != SLAB_NO_MARKS && unlikely(!checks_lists)) sample_redraw(s);
    return true;
}

void *slab_pop(struct slab *s) {
    struct link *b = s->free;
    if (b == &slab_nil) return NULL;
    struct link *next = link_follow(b);
    if (next == NULL) {
        s->free = &slab_nil;
    } else if (likely(slab_in_same_span(next, b))) {
        s->free = next;
    } else {
        s->free = &slab_nil;
        slab_misused(SLAB_OVERWRITTEN, b);
    }
    return b;
}

uint32_t slab_free_length(const struct slab *s) {
    uint32_t n = 0;
    const struct link *start = (const void *)slab_start(s);
    for (const struct link *p = s->free; p && p != &slab_nil && n <= slab_capacity(s); p = link_follow(p), n++)
        if (!slab_in_same_span(p, start)) break;
    return n;
}
