/* See own.h. The map of the program's pages is the one that shim/ceiling/pages.c describes. */
#include "reporter/load/core/own.h"

#define NODES_MOST (1u << 14)
#define PIECE_MOST 28u /* its shift */
#define PAGE_SHIFT 12u

/* --- weir's --- */

void own_read(struct making *m, struct own *own) {
    struct core_reserved t;
    *own = (struct own){0};
    own->ranges[own->count].start = m->t.search.own_start;
    own->ranges[own->count++].end = (m->t.search.own_end + CORE_PAGE - 1) & ~(uint64_t)(CORE_PAGE - 1);
    if (core_read(m->core, &t, sizeof t, m->t.search.at_reserved)) {
        uint32_t used = core_half(m->core, t.at_used);
        for (uint32_t i = 0; i < used && i < t.most && own->count <= OWN_RANGES; i++) {
            own->ranges[own->count].start = core_word(m->core, t.ranges + i * 16ul);
            own->ranges[own->count++].end = core_word(m->core, t.ranges + i * 16ul + 8);
        }
    }
    if (!core_read(m->core, &own->pages, sizeof own->pages, m->t.search.at_pages) ||
        own->pages.piece_shift < PAGE_SHIFT + 6 || own->pages.piece_shift > PIECE_MOST ||
        own->pages.piece_shift > own->pages.node_shift || own->pages.node_shift > 47 ||
        own->pages.node_shift - own->pages.piece_shift > 16 || own->pages.node_count > NODES_MOST)
        own->pages = (struct core_pages){0};
}

uint64_t own_part(const struct own *own, uint64_t from, uint64_t end, bool *weirs) {
    *weirs = false;
    for (size_t i = 0; i < own->count; i++) {
        uint64_t first = own->ranges[i].start, last = own->ranges[i].end;
        if (from >= first && from < last) {
            *weirs = true;
            return last < end ? last : end;
        }
        if (first > from && first < end && last > first) end = first;
    }
    return end;
}

/* --- the program's --- */

static uint64_t piece_pages(const struct core_pages *t) {
    return (uint64_t)1 << (t->piece_shift - PAGE_SHIFT);
}

/* Of the bitmap of a piece, 64 pages from the one on. */
static uint64_t bits_at(const struct own *own, struct mapped *memory, uint64_t entry, uint64_t plane, uint64_t page) {
    const struct core_pages *t = &own->pages;
    uint64_t all = entry >> plane & 1 ? UINT64_MAX : 0;
    if (!(entry >> 32)) return all;
    uint64_t at = mapped_word(memory, t->at_tables) + (entry >> 32) * CORE_PAGE + plane * (piece_pages(t) / 8);
    return all ^ mapped_word(memory, at + page / 64 * 8);
}

static uint64_t entry_at(const struct own *own, struct mapped *memory, uint64_t node, uint64_t piece) {
    uint64_t table = mapped_word(memory, own->pages.nodes + node * 8);
    return table ? mapped_word(memory, table + piece * 8) : 0;
}

bool own_page(const struct own *own, struct mapped *memory, uint64_t address, enum core_pages_plane plane) {
    const struct core_pages *t = &own->pages;
    if (!t->node_count || address >> t->node_shift >= t->node_count) return false;
    uint64_t pieces = (uint64_t)1 << (t->node_shift - t->piece_shift);
    uint64_t entry = entry_at(own, memory, address >> t->node_shift, address >> t->piece_shift & (pieces - 1));
    uint64_t page = address >> PAGE_SHIFT & (piece_pages(t) - 1);
    return bits_at(own, memory, entry, plane, page) >> page % 64 & 1;
}

struct stretch {
    uint64_t from, end; /* empty: none yet */
    void (*see)(void *context, uint64_t from, uint64_t end);
    void *context;
};

static void add(struct stretch *s, uint64_t from, uint64_t end) {
    if (s->end != from) {
        if (s->end > s->from) s->see(s->context, s->from, s->end);
        s->from = from;
    }
    s->end = end;
}

static void see_piece(const struct own *own, struct mapped *memory, uint64_t entry, uint64_t plane, uint64_t start,
                      struct stretch *s) {
    uint64_t pages = piece_pages(&own->pages);
    if (!(entry >> 32)) {
        if (entry >> plane & 1) add(s, start, start + (pages << PAGE_SHIFT));
        return;
    }
    for (uint64_t page = 0; page < pages; page += 64)
        for (uint64_t bits = bits_at(own, memory, entry, plane, page); bits; bits &= bits - 1) {
            uint64_t at = start + ((page + (uint64_t)__builtin_ctzll(bits)) << PAGE_SHIFT);
            add(s, at, at + CORE_PAGE);
        }
}

void own_pages(const struct own *own, struct mapped *memory, enum core_pages_plane plane,
               void (*see)(void *context, uint64_t from, uint64_t end), void *context) {
    const struct core_pages *t = &own->pages;
    struct stretch s = {.see = see, .context = context};
    uint64_t pieces = (uint64_t)1 << (t->node_shift - t->piece_shift), bitmaps = 0;
    uint64_t most = 1 + memory->core->size / CORE_PAGE; /* no two pieces have the same */
    for (uint64_t node = 0; node < t->node_count; node++) {
        if (!mapped_word(memory, t->nodes + node * 8)) continue;
        for (uint64_t piece = 0; piece < pieces && bitmaps < most; piece++) {
            uint64_t entry = entry_at(own, memory, node, piece);
            bitmaps += entry >> 32 != 0;
            if (entry) see_piece(own, memory, entry, plane, (node << t->node_shift) + (piece << t->piece_shift), &s);
        }
    }
    add(&s, 0, 0);
}
