/* See pages.h.
 *
 * An entry of a node: bits 0 to 2 say that all pages of the piece are set in a plane, but those whose bit in the bitmap
 * is set; from bit 3 on stands the owner of all pages that have none of their own; above bit 32 where the bitmaps are,
 * in units of a page, 0: there are none. So a bitmap's bits are exceptions from the entry's. Owners of their own are
 * exceptions, too; where a piece's table of them is stands behind all entries of the node, 0: it has none. */
#include "shim/ceiling/pages.h"
#include "shim/base/region.h"

#include <stdatomic.h>

#define PIECE_SHIFT 27
#define PIECE       ((uintptr_t)1 << PIECE_SHIFT)
#define NODE_SHIFT  37
#define NODE_PIECES (1u << (NODE_SHIFT - PIECE_SHIFT))
#define NODES       (1u << (47 - NODE_SHIFT))
#define WORDS       (PIECE / PAGE / 64)
#define TABLE       (WORDS * sizeof(uint64_t)) /* bytes of a bitmap */

#define OWNER_SHIFT 3
#define OWNER_FIELD ((uint64_t)PAGES_OWNER_MAX << OWNER_SHIFT)
#define OWNER_PAGES (PIECE / PAGE * sizeof(uint32_t) / PAGE) /* of a table of owners */
#define OWNER_INDEX (NODE_PIECES * sizeof(uint32_t))         /* bytes, behind a node's entries */
#define OWNER_NONE  UINT32_MAX                               /* in it; 0: the entry's */

typedef _Atomic uint64_t word;

_Static_assert(TABLE == PAGE, "a bitmap is a page");

/* What changes of a word's bits, and whether they are set or cleared. */
struct change {
    enum pages_plane plane;
    bool value;
};

static struct region tables;
static _Atomic size_t used; /* pages of `tables`; the first is nobody's */
static _Atomic(word *) nodes[NODES];
static _Atomic size_t totals[PAGES_PLANES], peaks[PAGES_PLANES];

const struct pages_places pages_places = {
    (uintptr_t)nodes, NODES, (uintptr_t)&tables.base, NODE_SHIFT, PIECE_SHIFT, (uintptr_t)totals, (uintptr_t)peaks};

static bool has_owners;

bool pages_start(bool owners) {
    used = 1;
    has_owners = owners;
    return region_reserve(&tables, GIB / 2, false); /* enough for 5 TiB in which no two pieces are alike */
}

/* So many fresh pages, which are zero; 0: memory is refused. */
static size_t take_pages(size_t count) {
    size_t at = atomic_load_explicit(&used, memory_order_relaxed);
    do {
        if (!region_commit(&tables, (at + count) * PAGE)) return 0;
    } while (
        !atomic_compare_exchange_weak_explicit(&used, &at, at + count, memory_order_relaxed, memory_order_relaxed));
    return at;
}

static word *table_at(size_t page) {
    return (word *)(void *)(tables.base + page * PAGE);
}

static word *entry_of(uintptr_t address, bool make) {
    _Atomic(word *) *node = &nodes[address >> NODE_SHIFT];
    word *n = atomic_load_explicit(node, memory_order_acquire);
    if (!n && make) {
        size_t page = take_pages((NODE_PIECES * sizeof(uint64_t) + (has_owners ? OWNER_INDEX : 0)) / PAGE);
        if (page == 0) return NULL;
        /* Two threads may come at once: what the second has taken is lost. */
        if (atomic_compare_exchange_strong_explicit(node, &n, table_at(page), memory_order_acq_rel,
                                                    memory_order_acquire))
            n = table_at(page);
    }
    return n ? &n[address >> PIECE_SHIFT & (NODE_PIECES - 1)] : NULL;
}

static word *bitmap_of(uint64_t entry, enum pages_plane plane) {
    return entry >> 32 ? table_at((entry >> 32) + plane) : NULL;
}
static bool is_full(uint64_t entry, enum pages_plane plane) {
    return entry >> plane & 1;
}

static bool make_bitmaps(word *entry) {
    uint64_t before = atomic_load_explicit(entry, memory_order_acquire);
    if (before >> 32) return true;
    size_t page = take_pages(PAGES_PLANES);
    if (page == 0) return false;
    while (!(before >> 32) && !atomic_compare_exchange_weak_explicit(entry, &before, before | (uint64_t)page << 32,
                                                                     memory_order_acq_rel, memory_order_acquire)) {
    }
    return true;
}

/* --- pieces of a range --- */

struct part {
    uintptr_t from, end; /* within one piece */
};

static struct part first_part(uintptr_t from, uintptr_t end) {
    return (struct part){from, min_size(round_down(from, PIECE) + PIECE, end)};
}
static bool is_whole(struct part p) {
    return p.end - p.from == PIECE;
}

bool pages_make_room(uintptr_t from, size_t n) {
    for (struct part p = {from, from}; p.end < from + n;) {
        p = first_part(p.end, from + n);
        word *entry = entry_of(p.from, true);
        if (!entry || (!is_whole(p) && !make_bitmaps(entry))) return false;
    }
    return true;
}

/* Calls of f for each word that the part has bits in, with those bits; bits of `full` are the word's without
 * exceptions.
 */
static uint64_t bits_of(struct part p, size_t i) {
    size_t first = (p.from & (PIECE - 1)) / PAGE, last = ((p.end - 1) & (PIECE - 1)) / PAGE;
    uint64_t bits = ~0ull;
    if (i == first / 64) bits &= ~0ull << (first & 63);
    if (i == last / 64) bits &= ~0ull >> (63 - (last & 63));
    return bits;
}
static size_t first_word(struct part p) {
    return (p.from & (PIECE - 1)) / PAGE / 64;
}
static size_t last_word(struct part p) {
    return ((p.end - 1) & (PIECE - 1)) / PAGE / 64;
}

/* --- changes --- */

static void count(struct change c, size_t changed) {
    if (changed == 0) return;
    if (!c.value) {
        atomic_fetch_sub_explicit(&totals[c.plane], changed, memory_order_relaxed);
        return;
    }
    size_t now = atomic_fetch_add_explicit(&totals[c.plane], changed, memory_order_relaxed) + changed;
    size_t peak = atomic_load_explicit(&peaks[c.plane], memory_order_relaxed);
    while (now > peak && !atomic_compare_exchange_weak_explicit(&peaks[c.plane], &peak, now, memory_order_relaxed,
                                                                memory_order_relaxed)) {
    }
}

/* All pages of a piece. */
static size_t change_whole(word *entry, struct change c) {
    uint64_t e = atomic_load_explicit(entry, memory_order_acquire), flag = 1ull << c.plane;
    word *bitmap = bitmap_of(e, c.plane);
    size_t exceptions = 0;
    for (size_t i = 0; bitmap && i < WORDS; i++)
        if (atomic_load_explicit(&bitmap[i], memory_order_relaxed))
            exceptions += (size_t)__builtin_popcountll(atomic_exchange_explicit(&bitmap[i], 0, memory_order_relaxed));
    uint64_t before = c.value ? atomic_fetch_or_explicit(entry, flag, memory_order_acq_rel)
                              : atomic_fetch_and_explicit(entry, ~flag, memory_order_acq_rel);
    return is_full(before, c.plane) == c.value ? exceptions * PAGE : PIECE - exceptions * PAGE;
}

static size_t change_bits(word *bitmap, struct part p, bool set) {
    size_t changed = 0;
    for (size_t i = first_word(p), last = last_word(p); i <= last; i++) {
        uint64_t bits = bits_of(p, i), now = atomic_load_explicit(&bitmap[i], memory_order_relaxed);
        if ((set ? ~now : now) & bits) {
            uint64_t before = set ? atomic_fetch_or_explicit(&bitmap[i], bits, memory_order_acq_rel)
                                  : atomic_fetch_and_explicit(&bitmap[i], ~bits, memory_order_acq_rel);
            changed += (size_t)__builtin_popcountll((set ? ~before : before) & bits);
        }
    }
    return changed * PAGE;
}

static size_t change(uintptr_t from, size_t n, struct change c) {
    size_t changed = 0;
    for (struct part p = {from, from}; p.end < from + n;) {
        p = first_part(p.end, from + n);
        word *entry = entry_of(p.from, c.value);
        if (!entry) continue;
        if (is_whole(p)) {
            changed += change_whole(entry, c);
            continue;
        }
        uint64_t e = atomic_load_explicit(entry, memory_order_acquire);
        bool exceptions = is_full(e, c.plane) != c.value;
        if (!(e >> 32) && exceptions && make_bitmaps(entry)) e = atomic_load_explicit(entry, memory_order_acquire);
        word *bitmap = bitmap_of(e, c.plane);
        if (bitmap) changed += change_bits(bitmap, p, exceptions);
    }
    count(c, changed);
    return changed;
}

size_t pages_set(enum pages_plane plane, uintptr_t from, size_t n) {
    return change(from, n, (struct change){plane, true});
}
size_t pages_clear(enum pages_plane plane, uintptr_t from, size_t n) {
    return change(from, n, (struct change){plane, false});
}

/* --- owners --- */

typedef _Atomic uint32_t owner_word;

/* The piece's table; NULL: it has none, and is to have none, or there is no memory. */
static owner_word *owners_of(uintptr_t address, bool make) {
    word *node = atomic_load_explicit(&nodes[address >> NODE_SHIFT], memory_order_acquire);
    if (!node || !has_owners) return NULL;
    owner_word *place = (owner_word *)(void *)(node + NODE_PIECES) + (address >> PIECE_SHIFT & (NODE_PIECES - 1));
    uint32_t page = atomic_load_explicit(place, memory_order_acquire), fresh;
    if (page == 0 && make && (fresh = (uint32_t)take_pages(OWNER_PAGES)) != 0 &&
        atomic_compare_exchange_strong_explicit(place, &page, fresh, memory_order_acq_rel, memory_order_acquire))
        page = fresh;
    return page ? (owner_word *)(void *)table_at(page) : NULL;
}
static uint32_t owner_of_all(uint64_t entry) {
    return (uint32_t)(entry >> OWNER_SHIFT) & PAGES_OWNER_MAX;
}

/* What pages had before, told when it ends. */
struct run {
    uint32_t owner;
    size_t pages;
    void (*lost)(uint32_t owner, size_t pages);
};

static void add_to_run(struct run *r, uint32_t owner, size_t pages) {
    if (owner == r->owner) {
        r->pages += pages;
        return;
    }
    if (r->owner && r->pages) r->lost(r->owner, r->pages);
    r->owner = owner;
    r->pages = pages;
}

static void own_whole(word *entry, owner_word *owners, uint32_t owner, struct run *r) {
    uint64_t e = atomic_load_explicit(entry, memory_order_acquire);
    uint32_t before = owner_of_all(e);
    size_t exceptions = 0;
    for (size_t i = 0; owners && i < PIECE / PAGE; i++) {
        uint32_t own = atomic_load_explicit(&owners[i], memory_order_relaxed);
        if (own == 0) continue;
        exceptions++;
        if (own != OWNER_NONE) add_to_run(r, own, 1);
        atomic_store_explicit(&owners[i], 0, memory_order_relaxed);
    }
    add_to_run(r, before, PIECE / PAGE - exceptions);
    while (!atomic_compare_exchange_weak_explicit(entry, &e, (e & ~OWNER_FIELD) | (uint64_t)owner << OWNER_SHIFT,
                                                  memory_order_acq_rel, memory_order_acquire)) {
    }
}

static void own_part(uint32_t all, owner_word *owners, struct part p, uint32_t owner, struct run *r) {
    uint32_t now = owner == all ? 0 : owner ? owner : OWNER_NONE;
    size_t first = (p.from & (PIECE - 1)) / PAGE;
    for (size_t i = 0; i < (p.end - p.from) / PAGE; i++) {
        uint32_t own = atomic_load_explicit(&owners[first + i], memory_order_relaxed);
        add_to_run(r, own == 0 ? all : own == OWNER_NONE ? 0 : own, 1);
        if (own != now) atomic_store_explicit(&owners[first + i], now, memory_order_relaxed);
    }
}

size_t pages_own(uintptr_t from, size_t n, uint32_t owner, void (*lost)(uint32_t owner, size_t pages)) {
    struct run r = {.lost = lost};
    size_t owned = 0;
    for (struct part p = {from, from}; p.end < from + n;) {
        p = first_part(p.end, from + n);
        word *entry = entry_of(p.from, owner != 0);
        if (!entry) continue;
        uint32_t all = owner_of_all(atomic_load_explicit(entry, memory_order_acquire));
        owner_word *owners = owners_of(p.from, !is_whole(p) && owner != all);
        if (is_whole(p))
            own_whole(entry, owners, owner, &r);
        else if (owners)
            own_part(all, owners, p, owner, &r);
        else if (owner != all)
            continue;
        owned += (p.end - p.from) / PAGE;
    }
    add_to_run(&r, 0, 0);
    return owned;
}

uint32_t pages_owner(uintptr_t at) {
    const word *entry = entry_of(at, false);
    uint64_t e = entry ? atomic_load_explicit(entry, memory_order_acquire) : 0;
    owner_word *owners = owners_of(at, false);
    uint32_t own = owners ? atomic_load_explicit(&owners[(at & (PIECE - 1)) / PAGE], memory_order_relaxed) : 0;
    return own == 0 ? owner_of_all(e) : own == OWNER_NONE ? 0 : own;
}

/* --- looks --- */

size_t pages_total(enum pages_plane plane) {
    return atomic_load_explicit(&totals[plane], memory_order_relaxed);
}
size_t pages_peak(enum pages_plane plane) {
    return atomic_load_explicit(&peaks[plane], memory_order_relaxed);
}

size_t pages_count(enum pages_plane plane, uintptr_t from, size_t n) {
    size_t set = 0;
    for (struct part p = {from, from}; p.end < from + n;) {
        p = first_part(p.end, from + n);
        const word *entry = entry_of(p.from, false);
        uint64_t e = entry ? atomic_load_explicit(entry, memory_order_acquire) : 0;
        const word *bitmap = bitmap_of(e, plane);
        size_t exceptions = 0;
        for (size_t i = first_word(p); bitmap && i <= last_word(p); i++)
            exceptions +=
                (size_t)__builtin_popcountll(atomic_load_explicit(&bitmap[i], memory_order_relaxed) & bits_of(p, i));
        set += is_full(e, plane) ? p.end - p.from - exceptions * PAGE : exceptions * PAGE;
    }
    return set;
}

/* The first page of the part whose bit is `value`; its end: none. */
static uintptr_t find_in_part(uint64_t entry, enum pages_plane plane, bool value, struct part p) {
    bool exceptions = is_full(entry, plane) != value;
    const word *bitmap = bitmap_of(entry, plane);
    if (!bitmap) return exceptions ? p.end : p.from;
    for (size_t i = first_word(p); i <= last_word(p); i++) {
        uint64_t now = atomic_load_explicit(&bitmap[i], memory_order_relaxed);
        uint64_t hits = (exceptions ? now : ~now) & bits_of(p, i);
        if (hits) return round_down(p.from, PIECE) + (i * 64 + (size_t)__builtin_ctzll(hits)) * PAGE;
    }
    return p.end;
}

uintptr_t pages_find(enum pages_plane plane, bool value, uintptr_t from, uintptr_t end) {
    for (struct part p = {from, from}; p.end < end;) {
        p = first_part(p.end, end);
        if (!value || atomic_load_explicit(&nodes[p.from >> NODE_SHIFT], memory_order_acquire)) {
            const word *entry = entry_of(p.from, false);
            uintptr_t at = find_in_part(entry ? atomic_load_explicit(entry, memory_order_acquire) : 0, plane, value, p);
            if (at < p.end) return at;
        } else {
            p.end = min_size(round_down(p.from, (uintptr_t)1 << NODE_SHIFT) + ((uintptr_t)1 << NODE_SHIFT), end);
        }
    }
    return end;
}
