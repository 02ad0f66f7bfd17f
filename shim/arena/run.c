/* Runs; see run.h. A run grows into free slices behind it, else its pages move to a larger span without being copied.
 *
 * mremap with MREMAP_DONTUNMAP leaves the old span mapped (and empty), so that no other thread's mmap can land in it.
 * The new span is then a kernel mapping of its own, since its pages remember where they were first; the purge maps
 * fresh memory over it, which joins it with its neighbours again. Until then a second move of it may be refused by the
 * kernel, which does not move across mappings; the caller then copies. */
#include "shim/arena/counts.h"
#include "shim/arena/run.h"
#include "shim/arena/delay.h"
#include "shim/arena/emergency.h"
#include "shim/arena/kept.h"
#include "shim/arena/slices.h"
#include "shim/base/charge.h"
#include "shim/base/sys.h"

#include <stdatomic.h>

#define MOVE_MIN          (4 * MIB) /* below this, copying into memory that is resident is cheaper than moving pages */
#define MOVES_REFUSED_MAX 16
/* So much is not zeroed but given back, since the program may never touch it. As in glibc, whose largest threshold for
 * blocks of fresh pages this is (DEFAULT_MMAP_THRESHOLD_MAX): page faults cost ten times what zeroing costs. */
#define FRESH_MIN (32 * MIB)
#define EFAULT_   14

static _Atomic(struct slab *) late;
static _Atomic uint32_t nothings;
static _Atomic bool moves_one_mapping_only; /* kernels before 6.17: the others are copied */
static _Atomic uint32_t moves_refused;      /* each may cost a span of address space; then all are copied */

static enum slices_zone zone_for(size_t n) {
    return n >= RUN_HIGH ? ZONE_HIGH : ZONE_LOW;
}
static enum slices_zone zone_of(const struct slab *s) {
    size_t first, end;
    slices_bounds(ZONE_HIGH, &first, &end);
    return slab_index(s) >= first ? ZONE_HIGH : ZONE_LOW;
}
static size_t slices_for(size_t n) {
    return kept_round((n + SLICE - 1) >> SLICE_SHIFT);
}

static void set_bytes(struct slab *s, size_t bytes) {
    s->run.bytes = bytes;
    s->run.committed = max_size(s->run.committed, bytes);
}

static void describe(struct slab *s, size_t from, size_t slices, size_t bytes) {
    for (size_t i = from > 0 ? from : 1; i < slices; i++) {
        s[i].kind = KIND_TAIL;
        slab_set_owner_word(&s[i], NO_OWNER);
        s[i].head = (uint32_t)i;
    }
    set_bytes(s, bytes);
    s->run.slices = (uint32_t)slices;
    s->kind = KIND_RUN;
    slab_set_owner_word(s, NO_OWNER);
}

/* Makes the span's first n bytes zero. */
static void clear(struct slab *s, size_t slices, size_t n) {
    if (slices_charged(s, slices) >= FRESH_MIN) slices_drop(s, slices);
    slices_clear(s, n);
}

static void *make(struct slab *s, size_t slices, size_t bytes) {
    s->run = (struct run){0};
    describe(s, 0, slices, bytes);
    counts_add_run();
    return slab_start(s);
}

void *run_take_kept(size_t n, bool zero) {
    struct slab *s = tls.heap ? kept_take(tls.heap, slices_for(n)) : NULL;
    if (!s) return NULL;
    size_t bytes = round_up(n, PAGE);
    if (zero) slices_clear(s, bytes);
    if (bytes > s->run.committed && !slices_commit(s, bytes)) {
        slices_give(s, s->run.slices);
        return NULL;
    }
    s->run.tracked = false;
    set_bytes(s, bytes);
    s->kind = KIND_RUN;
    counts_add_run();
    return slab_start(s);
}

void *run_take(size_t n, size_t alignment, bool zero) {
    void *p = alignment <= SLICE ? run_take_kept(n, zero) : NULL;
    if (p) return p;
    size_t bytes = round_up(n, PAGE), slices = slices_for(n);
    struct slab *s = slices_take(zone_for(n), slices, max_size(alignment >> SLICE_SHIFT, 1));
    if (!s) return NULL;
    if (zero) clear(s, slices, bytes);
    if (!slices_commit(s, bytes)) {
        slices_give(s, slices);
        return NULL;
    }
    return make(s, slices, bytes);
}

struct slab *run_take_nothing(size_t alignment) {
    if (atomic_fetch_add_explicit(&nothings, 1, memory_order_relaxed) < NOTHINGS_MAX) {
        struct slab *s = slices_take(ZONE_LOW, 1, max_size(alignment >> SLICE_SHIFT, 1));
        if (s && sys_mprotect(slab_start(s), SLICE, PROT_NONE)) {
            (void)make(s, 1, 0);
            return s;
        }
        if (s) slices_give(s, 1);
    }
    atomic_fetch_sub_explicit(&nothings, 1, memory_order_relaxed);
    return NULL;
}

void *run_take_in_emergency(size_t n, size_t alignment) {
    size_t bytes = round_up(n, PAGE), slices = slices_for(n);
    struct slab *s = alignment <= SLICE ? emergency_take_span(slices) : NULL;
    if (!s) return NULL;
    if (!slices_commit(s, bytes)) {
        (void)emergency_give_span(s, slices);
        return NULL;
    }
    return make(s, slices, bytes); /* its memory is always the kernel's, and zero */
}

static void forget_committed(struct slab *s, size_t slices) {
    for (size_t i = 0; i < slices; i++) s[i].slice.committed = 0;
}

static void give_span(struct slab *s, size_t slices) {
    if (!emergency_give_span(s, slices)) slices_give(s, slices);
}

void run_give(struct slab *s) {
    if (tls.heap && !emergency_has_span(s) && kept_put(tls.heap, s)) return;
    if (s->run.bytes == 0) atomic_fetch_sub_explicit(&nothings, 1, memory_order_relaxed);
    if (!emergency_has_span(s)) s = delay_run(s);
    if (s) give_span(s, s->run.slices);
}

/* Its span is what it is: a guard stands behind it, or it was set aside as a whole. */
static bool is_fixed(const struct slab *s) {
    return slices_guarded() || emergency_has_span(s);
}

static void *grow_in_place(struct slab *s, size_t bytes, size_t slices) {
    size_t have = s->run.slices;
    if (slices > have && (is_fixed(s) || !slices_take_at(s + have, slices - have))) return NULL;
    if (!slices_commit(s, bytes)) {
        if (slices > have) slices_give(s + have, slices - have);
        return NULL;
    }
    describe(s, have, max_size(have, slices), bytes);
    return slab_start(s);
}

static void *shrink(struct slab *s, size_t bytes, size_t slices) {
    size_t have = s->run.slices;
    s->run.bytes = bytes;
    if (slices == have || is_fixed(s)) return slab_start(s);
    s->run.slices = (uint32_t)slices;
    s->run.committed = min_size(s->run.committed, slices << SLICE_SHIFT);
    slices_give(s + slices, have - slices);
    return slab_start(s);
}

/* Pages that moved here and others are mappings of their own. */
static bool is_of_one_mapping(const struct slab *s, size_t slices) {
    for (size_t i = 1; i < slices; i++)
        if (s[i].slice.moved != s[0].slice.moved) return false;
    return true;
}

static void *move(struct slab *s, size_t bytes, size_t slices) {
    size_t have = s->run.slices, moved = have << SLICE_SHIFT;
    if (atomic_load_explicit(&moves_one_mapping_only, memory_order_relaxed) && !is_of_one_mapping(s, have)) return NULL;
    if (atomic_load_explicit(&moves_refused, memory_order_relaxed) >= MOVES_REFUSED_MAX) return NULL;
    struct slab *to = slices_take(zone_for(bytes), slices, 1);
    if (!to) return NULL;
    size_t stale = slices_charged(to, slices);
    if (stale > 0 && !slices_renew(to, slices)) goto no;
    /* The pages bring their charge along; what is missing is charged before anything moves. */
    for (size_t i = 0; i < have; i++) to[i].slice.committed = s[i].slice.committed;
    if (!slices_commit(to, bytes)) goto no_charge;
    long r = sys5(SYS_mremap, (long)slab_start(s), (long)moved, (long)moved,
                  MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, (long)slab_start(to));
    if (sys_failed(r)) {
        if (r == -EFAULT_)
            atomic_store_explicit(&moves_one_mapping_only, true, memory_order_relaxed);
        else
            atomic_fetch_add_explicit(&moves_refused, 1, memory_order_relaxed);
        charge_give(slices_charged(to, slices) - slices_charged(s, have));
        forget_committed(to, slices);
        /* The kernel unmaps the target first and looks for reasons to refuse afterwards. Where it cannot be mapped
         * again, or is somebody else's by now, it is no part of the arena any more. */
        if (slices_map_again(to, have)) slices_give(to, slices);
        return NULL;
    }
    to->run = s->run;
    for (size_t i = 0; i < have; i++) to[i].slice.moved = 1;
    describe(to, 0, slices, bytes);
    forget_committed(s, have);
    give_span(s, have);
    return slab_start(to);

no_charge:
    forget_committed(to, slices);
no:
    slices_give(to, slices);
    return NULL;
}

void *run_resize(struct slab *s, size_t n) {
    size_t bytes = round_up(n, PAGE), slices = slices_for(n);
    if (bytes <= s->run.bytes) return shrink(s, bytes, slices);
    if (zone_of(s) == zone_for(n)) {
        void *p = grow_in_place(s, bytes, slices);
        if (p || tls.refused) return p;
    }
    return s->run.bytes >= MOVE_MIN ? move(s, bytes, slices) : NULL;
}

void run_give_later(struct slab *s) {
    struct slab *head = atomic_load_explicit(&late, memory_order_relaxed);
    do s->run.next_late = head;
    while (!atomic_compare_exchange_weak_explicit(&late, &head, s, memory_order_release, memory_order_relaxed));
}

void run_give_late_ones(void) {
    if (likely(!atomic_load_explicit(&late, memory_order_relaxed))) return;
    struct slab *s = atomic_exchange_explicit(&late, NULL, memory_order_acquire), *next;
    for (; s; s = next) {
        next = s->run.next_late;
        run_give(s);
    }
}
