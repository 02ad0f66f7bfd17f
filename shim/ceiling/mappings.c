/* See mappings.h. */
#include "shim/ceiling/attached.h"
#include "shim/ceiling/mappings.h"
#include "shim/arena/arena.h"
#include "shim/base/charge.h"
#include "shim/base/mapping.h"
#include "shim/base/reserve.h"
#include "shim/base/sys.h"
#include "shim/ceiling/ceiling.h"
#include "shim/ceiling/owners.h"
#include "shim/ceiling/pages.h"
#include "shim/ceiling/reclaim.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/shm.h>

#ifndef MAP_FIXED_NOREPLACE
#    define MAP_FIXED_NOREPLACE 0x100000
#endif
#define HUGE_SHIFT        21 /* of a huge page where no other is asked for */
#define MAP_HUGE_SHIFT_   26 /* in flags: the logarithm of a huge page's size */
#define MREMAP_DONTUNMAP_ 4
#define FAILED            ((void *)-1)

/* What becomes of pages. */
struct kind {
    bool ours, charged, mapped;
    uint32_t owner; /* of charged ones */
};
static const struct kind nothing;
#define SAME_OWNER UINT32_MAX /* as before */

struct range {
    uintptr_t from, end;
};
static const struct range none_yet; /* where it will be, the kernel says */

static bool on;

bool mappings_start(void) {
    bool owners = owners_start();
    return on = pages_start(owners);
}

/* The program's own calls: a filter of its own answers them as it would without weir. */
static long answer(long result) {
    if (!sys_failed(result)) return result;
    errno = (int)-result;
    return -1;
}
#define CALL(number, ...) sys_unfiltered(number, __VA_ARGS__)

static void *refused(void) {
    errno = ENOMEM;
    return FAILED;
}

struct wish {
    size_t bytes;
    struct range range;
};

/* Charges the bytes, and has room in the map for any change of the range; all or nothing. */
static bool try_to_take(void *argument) {
    const struct wish *w = argument;
    if (w->bytes > 0 && !charge_take(w->bytes)) return false;
    if (pages_make_room(w->range.from, w->range.end - w->range.from)) return true;
    charge_give(w->bytes);
    return false;
}

/* The same; what weir retains goes first. False: refused, and said. `asked`: by the program. */
static bool take(size_t n, struct range r, size_t asked, const void *frame) {
    uint32_t interrupted = tls.refused;
    tls.refused = 0;
    bool before = ceiling_serves(asked);
    struct wish wish = {n, r};
    bool taken = try_to_take(&wish);
    if (unlikely(!taken)) {
        bool outermost = arena_enter();
        taken = outermost && reclaim_and_retry(try_to_take, &wish);
        if (!taken) ceiling_refuse(CEILING_MMAP, asked, frame);
        arena_leave(outermost);
    }
    ceiling_served(before);
    tls.refused = interrupted;
    return taken;
}

static size_t pages_of(size_t n) {
    return round_up(n, PAGE);
}

/* Whether a range is one that the kernel might accept: else it says what is wrong with it. */
static bool is_range(const void *at, size_t n) {
    uintptr_t from = (uintptr_t)at;
    return (from & (PAGE - 1)) == 0 && n > 0 && n <= PAGES_END && from <= PAGES_END - pages_of(n);
}

/* --- kinds --- */

/* The pages are of this kind now. `taken` bytes are charged for that; what was wrong about it is put right. */
static void become(uintptr_t at, size_t n, struct kind kind, size_t taken) {
    (void)(kind.ours ? pages_set : pages_clear)(PAGES_OURS, at, n);
    (void)(kind.mapped ? pages_set : pages_clear)(PAGES_MAPPED, at, n);
    size_t needed = 0;
    if (kind.charged)
        needed = pages_set(PAGES_CHARGED, at, n);
    else
        taken += pages_clear(PAGES_CHARGED, at, n);
    if (taken > needed) charge_give(taken - needed);
    if (needed > taken) ceiling_charge_anyway(needed - taken);
    if (kind.owner != SAME_OWNER) owners_give(at, n, kind.charged ? kind.owner : 0);
}

/* As become, of pages that are about to go: their charge is to be given once they are gone. */
static size_t forget(uintptr_t at, size_t n) {
    (void)pages_make_room(at, n);
    (void)pages_clear(PAGES_OURS, at, n);
    (void)pages_clear(PAGES_MAPPED, at, n);
    owners_give(at, n, 0);
    return pages_clear(PAGES_CHARGED, at, n);
}

static void believe(const struct mapping *m, struct range r) {
    uintptr_t from = max_size(m->start, r.from), end = min_size(m->end, r.end);
    if (from >= end) return;
    bool ours = !m->shared && !m->of_file;
    become(from, end - from, (struct kind){ours, ours && m->writable, !ours, SAME_OWNER}, 0);
}

/* A call failed and may have done half of what it was to do: the kernel is asked what there is. `taken` is charged for
 * pages that were forgotten, `owner` had them. */
static COLD void ask_kernel(uintptr_t at, size_t n, size_t taken, uint32_t owner) {
    struct mapping_reader reader;
    struct mapping m;
    become(at, n, (struct kind){.owner = SAME_OWNER}, taken);
    if (owner) owners_give(at, n, owner);
    if (mapping_open(&reader)) {
        while (mapping_next(&reader, &m, NULL, 0)) believe(&m, (struct range){at, at + n});
        mapping_close(&reader);
    }
    for (uintptr_t end = at + n, next; (at = pages_find(PAGES_CHARGED, false, at, end)) < end; at = next) {
        next = pages_find(PAGES_CHARGED, true, at, end);
        owners_give(at, next - at, 0);
    }
}

/* What there is of each kind in the range, by the kernel and by what is noted. Another thread may be in the middle of a
 * change: then they are the same a little later. */
static bool is_as_noted(struct range r) {
    struct mapping_reader reader;
    struct mapping m;
    size_t ours = 0, charged = 0, mapped = 0;
    if (!mapping_open(&reader)) return false;
    while (mapping_next(&reader, &m, NULL, 0)) {
        uintptr_t from = max_size(m.start, r.from), end = min_size(m.end, r.end);
        if (from >= end || reserve_overlaps(from, end - from)) continue;
        bool own = !m.shared && !m.of_file;
        *(own ? &ours : &mapped) += end - from;
        if (own && m.writable) charged += end - from;
    }
    mapping_close(&reader);
    size_t n = r.end - r.from;
    return pages_count(PAGES_OURS, r.from, n) == ours && pages_count(PAGES_CHARGED, r.from, n) == charged &&
           pages_count(PAGES_MAPPED, r.from, n) == mapped;
}

/* A call that was to put something in the place of what is there has failed: mostly before it has done anything. What
 * is noted is made anew only where it stays wrong, since that forgets what others map there meanwhile. */
#define LOOKS 4
static COLD void ask_kernel_if_changed(uintptr_t at, size_t n) {
    for (int i = 0; i < LOOKS; i++) {
        if (is_as_noted((struct range){at, at + n})) return;
        sys_pause(100000);
    }
    ask_kernel(at, n, 0, 0);
}

/* --- mmap, munmap --- */

_Atomic uint32_t mappings_gone;

static void note_gone(void) {
    atomic_fetch_add_explicit(&mappings_gone, 1, memory_order_relaxed);
}

static size_t size_of(size_t n, int flags) {
    if (!(flags & MAP_HUGETLB)) return pages_of(n);
    unsigned shift = (unsigned)flags >> MAP_HUGE_SHIFT_ & 63;
    return round_up(n, (size_t)1 << (shift ? shift : HUGE_SHIFT));
}

static struct kind kind_of(int protection, int flags) {
    bool ours = (flags & MAP_TYPE) == MAP_PRIVATE && (flags & MAP_ANONYMOUS);
    return (struct kind){ours, ours && (protection & PROT_WRITE), !ours, 0};
}

/* The pages are of this kind now, made by who called from there. */
static void become_new(uintptr_t at, size_t n, struct kind kind, size_t taken, size_t asked, const void *frame) {
    if (kind.charged) kind.owner = owners_take(asked, frame);
    owners_resized(kind.owner, at, asked);
    become(at, n, kind, taken);
    owners_let_go(kind.owner);
}

static void *map(void *at, size_t n, int protection, int flags, int fd, long offset) {
    return (void *)answer(CALL(SYS_mmap, (long)at, (long)n, protection, flags, fd, offset));
}

void *mappings_map(void *at, size_t n, int protection, int flags, int fd, long offset, const void *frame) {
    if (flags & MAP_FIXED) note_gone();
    size_t bytes = size_of(n, flags);
    if (!on || n == 0 || bytes < n || bytes > PAGES_END) return map(at, n, protection, flags, fd, offset);
    struct kind kind = kind_of(protection, flags);
    bool placed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) && is_range(at, bytes);
    bool replaces = placed && !(flags & MAP_FIXED_NOREPLACE);
    if (placed && reserve_overlaps((uintptr_t)at, bytes)) return refused();
    size_t there = replaces ? pages_count(PAGES_CHARGED, (uintptr_t)at, bytes) : 0;
    size_t taken = kind.charged ? bytes - there : 0;
    if (!take(taken, none_yet, n, frame)) return refused();
    char *p = map(at, n, protection, flags, fd, offset);
    if (p == FAILED) {
        charge_give(taken);
        if (replaces) ask_kernel_if_changed((uintptr_t)at, bytes);
        return p;
    }
    if (unlikely(!is_range(p, bytes))) { /* above what the map has: only who asks for such an address gets one */
        charge_give(taken);
        return p;
    }
    /* What is in no count may not be there. */
    if (unlikely(!take(0, (struct range){(uintptr_t)p, (uintptr_t)p + bytes}, n, frame))) {
        become((uintptr_t)p, bytes, nothing, taken);
        (void)CALL(SYS_munmap, (long)p, (long)bytes, 0, 0, 0, 0);
        return refused();
    }
    become_new((uintptr_t)p, bytes, kind, taken, n, frame);
    return p;
}

int mappings_unmap(void *at, size_t n) {
    note_gone();
    bool known = on && is_range(at, n);
    if (known && reserve_overlaps((uintptr_t)at, n)) {
        errno = EINVAL;
        return -1;
    }
    uint32_t owner = known ? owners_hold((uintptr_t)at) : 0;
    size_t charged = known ? forget((uintptr_t)at, pages_of(n)) : 0;
    long r = answer(CALL(SYS_munmap, (long)at, (long)n, 0, 0, 0, 0));
    if (r != 0 && known)
        ask_kernel((uintptr_t)at, pages_of(n), charged, owner);
    else
        charge_give(charged);
    owners_let_go(owner);
    return (int)r;
}

/* --- mremap: mostly of one mapping, all of whose pages are of one kind; from Linux 6.17 on several move at once --- */

static bool is_mixed(uintptr_t at, size_t n) {
    bool mixed = false;
    for (enum pages_plane plane = 0; plane < PAGES_PLANES; plane++) {
        size_t set = pages_count(plane, at, n);
        mixed |= set != 0 && set != n;
    }
    return mixed;
}

static struct kind kind_at(uintptr_t at) {
    return (struct kind){pages_count(PAGES_OURS, at, PAGE) > 0, pages_count(PAGES_CHARGED, at, PAGE) > 0,
                         pages_count(PAGES_MAPPED, at, PAGE) > 0, 0};
}

static void *remap(void *at, size_t from, size_t to, int flags, void *target) {
    return (void *)answer(CALL(SYS_mremap, (long)at, (long)from, (long)to, flags, (long)target, 0));
}

/* It was moved, or became larger or smaller: the bookkeeping of mappings_remap. */
struct move {
    uintptr_t here, target;
    size_t old, new;
    struct kind kind; /* with an owner that is held */
    bool mixed, copies, stays, replaces;
};

static struct move move_of(void *at, size_t old, size_t new, int flags, void *target) {
    struct move m = {.here = (uintptr_t)at, .target = (uintptr_t)target, .old = old, .new = new, .copies = old == 0};
    m.stays = m.copies || (flags & MREMAP_DONTUNMAP_);
    m.replaces = (flags & MREMAP_FIXED) && is_range(target, new);
    m.kind = kind_at(m.here);
    m.mixed = is_mixed(m.here, old);
    return m;
}

static void *moved(const struct move *m, void *p, size_t taken, size_t forgotten, size_t to, const void *frame) {
    if (p == FAILED) {
        charge_give(taken);
        if (!m->copies) ask_kernel(m->here, m->old, forgotten, m->kind.owner);
        if (m->replaces) ask_kernel_if_changed(m->target, m->new);
        return p;
    }
    if (unlikely(!is_range(p, m->new))) {
        charge_give(taken + forgotten);
        return p;
    }
    /* It has moved already: without room it is in no count. */
    (void)take(0, (struct range){(uintptr_t)p, (uintptr_t)p + m->new}, to, frame);
    if (unlikely(m->mixed)) {
        ask_kernel((uintptr_t)p, m->new, taken + forgotten, m->kind.owner);
        if (m->stays) ask_kernel(m->here, m->old, 0, m->kind.owner);
        return p;
    }
    if (m->stays && !m->copies) {
        become(m->here, m->old, m->kind, forgotten);
        forgotten = 0;
    }
    owners_resized(m->kind.owner, (uintptr_t)p, to);
    become((uintptr_t)p, m->new, m->kind, taken + forgotten);
    return p;
}

void *mappings_remap(void *at, size_t from, size_t to, int flags, void *target, const void *frame) {
    note_gone();
    size_t old = pages_of(from), new = pages_of(to);
    if (!on || !is_range(at, from ? from : PAGE) || to == 0 || new > PAGES_END)
        return remap(at, from, to, flags, target);
    struct move m = move_of(at, old, new, flags, target);
    if (reserve_overlaps(m.here, max_size(old, PAGE)) || (m.replaces && reserve_overlaps(m.target, new))) {
        errno = EINVAL;
        return FAILED;
    }
    size_t there = m.replaces ? pages_count(PAGES_CHARGED, m.target, new) : 0,
           needed = m.stays ? new : new - min_size(new, old);
    size_t taken = m.kind.charged && needed > there ? needed - there : 0;
    if (!take(taken, none_yet, to, frame)) return refused();
    m.kind.owner = owners_hold(m.here);
    size_t forgotten = m.copies ? 0 : forget(m.here, old);
    void *p = moved(&m, remap(at, from, to, flags, target), taken, forgotten, to, frame);
    owners_let_go(m.kind.owner);
    return p;
}

/* --- mprotect --- */

/* Calls f for each span of our pages in the range; the sum of what it returns. */
static size_t each_of_ours(uintptr_t at, size_t n, size_t (*f)(uintptr_t from, size_t n, uint32_t owner),
                           uint32_t owner) {
    size_t sum = 0;
    for (uintptr_t end = at + n, next; (at = pages_find(PAGES_OURS, true, at, end)) < end; at = next) {
        next = pages_find(PAGES_OURS, false, at, end);
        sum += f(at, next - at, owner);
    }
    return sum;
}
static size_t uncharged(uintptr_t at, size_t n, uint32_t owner) {
    (void)owner;
    return n - pages_count(PAGES_CHARGED, at, n);
}
/* Those that are not yet. */
static size_t set_charged(uintptr_t at, size_t n, uint32_t owner) {
    size_t sum = 0;
    for (uintptr_t end = at + n, next; (at = pages_find(PAGES_CHARGED, false, at, end)) < end; at = next) {
        next = pages_find(PAGES_CHARGED, true, at, end);
        sum += pages_set(PAGES_CHARGED, at, next - at);
        owners_give(at, next - at, owner);
    }
    return sum;
}

static int protect(void *at, size_t n, int protection, int key) {
    return (int)answer(key < 0 ? CALL(SYS_mprotect, (long)at, (long)n, protection, 0, 0, 0)
                               : CALL(SYS_pkey_mprotect, (long)at, (long)n, protection, key, 0, 0));
}

int mappings_protect(void *at, size_t n, int protection, int key, const void *frame) {
    if (!(protection & PROT_READ)) note_gone();
    uintptr_t from = (uintptr_t)at;
    size_t bytes = pages_of(n);
    if (!on || !is_range(at, n)) return protect(at, n, protection, key);
    bool writable = protection & PROT_WRITE;
    size_t taken = writable ? each_of_ours(from, bytes, uncharged, 0) : 0, given = 0;
    if (taken > 0 && !take(taken, (struct range){from, from + bytes}, n, frame)) {
        errno = ENOMEM;
        return -1;
    }
    if (!writable && pages_count(PAGES_CHARGED, from, bytes) > 0) {
        (void)pages_make_room(from, bytes);
        given = pages_clear(PAGES_CHARGED, from, bytes);
    }
    int r = protect(at, n, protection, key);
    if (r != 0) {
        if (taken + given > 0) ask_kernel(from, bytes, taken + given, 0);
        return r;
    }
    if (given > 0) owners_give(from, bytes, 0);
    if (writable && taken > 0) {
        uint32_t owner = owners_take(n, frame);
        owners_resized(owner, from, n);
        size_t changed = each_of_ours(from, bytes, set_charged, owner);
        owners_let_go(owner);
        if (changed > taken) ceiling_charge_anyway(changed - taken);
        if (changed < taken) charge_give(taken - changed);
    }
    charge_give(given);
    return r;
}

/* --- brk: the kernel's own words are an address, libc's 0 or -1 --- */

static uintptr_t move_break(uintptr_t to) {
    return (uintptr_t)CALL(SYS_brk, (long)to, 0, 0, 0, 0, 0);
}

static bool set_break(uintptr_t from, uintptr_t to, const void *frame) {
    uintptr_t a = pages_of(from), b = pages_of(to);
    bool grows = on && b > a, shrinks = on && b < a;
    if (grows && (b > PAGES_END || !take(b - a, (struct range){a, b}, to - from, frame))) return false;
    size_t forgotten = shrinks ? forget(b, a - b) : 0;
    bool done = move_break(to) == to;
    if (grows && done) become_new(a, b - a, (struct kind){true, true, false, 0}, b - a, to - from, frame);
    if (grows && !done) charge_give(b - a);
    if (shrinks && !done) ask_kernel(b, a - b, forgotten, 0);
    if (shrinks && done) charge_give(forgotten);
    return done;
}

int mappings_brk(void *end, const void *frame) {
    if (set_break(move_break(0), (uintptr_t)end, frame)) return 0;
    errno = ENOMEM;
    return -1;
}

void *mappings_sbrk(long change, const void *frame) {
    uintptr_t from = move_break(0), to = from + (uintptr_t)change;
    if (change == 0) return (void *)from;
    if ((change > 0) != (to > from) || !set_break(from, to, frame)) return refused();
    return (void *)from;
}

/* --- System V shared memory --- */

void *mappings_attach(int id, const void *at, int flags) {
    struct shmid_ds s;
    bool known = on && CALL(SYS_shmctl, id, IPC_STAT, (long)&s, 0, 0, 0) == 0;
    char *p = (char *)answer(CALL(SYS_shmat, id, (long)at, flags, 0, 0, 0));
    if (p == FAILED || !known) return p;
    size_t n = pages_of(s.shm_segsz);
    if (is_range(p, n) && pages_make_room((uintptr_t)p, n)) become((uintptr_t)p, n, (struct kind){.mapped = true}, 0);
    return p;
}

static void forget_piece(uintptr_t from, size_t n) {
    charge_give(forget(from, n));
}

int mappings_detach(const void *at) {
    struct attached attached = {.count = 0};
    note_gone();
    if (on) attached_find(&attached, (uintptr_t)at);
    int result = (int)answer(CALL(SYS_shmdt, (long)at, 0, 0, 0, 0, 0));
    if (result == 0) attached_each_gone(&attached, forget_piece);
    return result;
}

/* --- numbers --- */

static size_t spans_of(enum pages_plane plane) {
    size_t spans = 0;
    for (uintptr_t at = 0; (at = pages_find(plane, true, at, PAGES_END)) < PAGES_END; spans++)
        at = pages_find(plane, false, at, PAGES_END);
    return spans;
}

struct mappings_numbers mappings_numbers(void) {
    if (!on) return (struct mappings_numbers){0};
    size_t ours = pages_total(PAGES_OURS), charged = pages_total(PAGES_CHARGED);
    return (struct mappings_numbers){.count = spans_of(PAGES_CHARGED),
                                     .charged = charged,
                                     .reserved = ours > charged ? ours - charged : 0,
                                     .mapped_count = spans_of(PAGES_MAPPED),
                                     .mapped_bytes = pages_total(PAGES_MAPPED),
                                     .mapped_peak = pages_peak(PAGES_MAPPED)};
}
