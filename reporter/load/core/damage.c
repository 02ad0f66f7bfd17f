/* See damage.h. A core is of one instant, at which other threads may be inside of weir. What only looks like damage
 * then is not told of:
 *
 *   Each list is as it was between two stores (ARCHITECTURE.md, section 4): a link is written before what leads to its
 *   place is, and a place is taken off by the one store that passes it over. So links hold, but a list may be missing.
 *   The first word of one is not judged: while a slab grows, it leads to places that do not count yet.
 *   A block is marked as freed first, then its place is filled, then put on a list; and taken off before it is marked
 * as live. So only places that a list leads to are held against the pattern: what is freed and on none may be half
 *   filled, or a new block's that is not live yet. An entry that is live has no place on a list.
 *   While all of a slab waits for its owner its memory may go back to the kernel, which leaves zeros: what is zero as a
 *   whole page is not judged, nor a link of zeros, which leads nowhere.
 *   Of an entry only what one store has written is judged, and sizes of live ones. Those of runs are not: they shrink
 *   before their entries do. */
#include "reporter/load/core/damage.h"

#include <string.h>

#include "reporter/load/core/near.h"

#define DAMAGES_MOST 4 /* of a kind */

/* What weir itself has told of need not be told again. */
static bool is_told(const struct making *m, uint64_t address, uint32_t what) {
    size_t same = 0;
    for (size_t i = 0; i < m->near_count; i++) {
        const struct dump_near *n = &m->nears[i];
        bool misuse = n->what >= NEAR_MISUSE && n->what < NEAR_REGISTER;
        if (n->address == address && (misuse || n->what == what)) return true;
        same += n->what == what;
    }
    return same >= DAMAGES_MOST;
}

static void tell(struct making *m, const struct core_side *side, uint64_t address, uint64_t place, uint32_t what,
                 uint64_t word) {
    struct dump_near near = {.word = word, .what = what};
    if (is_told(m, address, what)) return;
    if (!side || !near_fill(m, side, address, place, &near)) {
        near.address = address;
        near.size = near.place = place;
        near.state = NEAR_PLACE;
    }
    if (near.size > place) near.size = place;
    near_add(m, &near);
}

void damage_look_behind(struct making *m, const struct core_side *side, uint64_t address, uint64_t place) {
    unsigned char bytes[CORE_BEHIND_MOST];
    uint64_t size = CORE_SIZE(side), n = place > size ? place - size : 0;
    if (n > sizeof bytes) n = sizeof bytes;
    if (!n || !core_read(m->core, bytes, (size_t)n, address + size)) return;
    uint64_t at = 0;
    while (at < n && bytes[at] == CORE_BEHIND) at++;
    if (at < n) tell(m, side, address, place, NEAR_END, address + size + at);
}

/* --- free places --- */

struct looking {
    struct making *m;
    const struct span *s;
    const struct core_side *entries; /* NULL: none */
    uint64_t seen[PLACES_MOST / 64]; /* places that lists have led to */
};

/* The kernel has it back, or it cannot be read. */
static bool is_gone(struct core *core, uint64_t address) {
    unsigned char page[CORE_PAGE];
    if (!core_read(core, page, sizeof page, address & ~(uint64_t)(CORE_PAGE - 1))) return true;
    return page[0] == 0 && memcmp(page, page + 1, sizeof page - 1) == 0;
}

static void look_at_freed(const struct looking *l, uint64_t place) {
    unsigned char bytes[CORE_FREE_MOST];
    struct making *m = l->m;
    uint64_t address = l->s->start + place * l->s->size, n = l->s->size, at = sizeof(uint64_t);
    if (n > sizeof bytes) n = sizeof bytes;
    if (!m->pattern || !l->entries || !CORE_FREED(&l->entries[place]) || !core_read(m->core, bytes, (size_t)n, address))
        return;
    while (at < n && bytes[at] == m->freed) at++;
    if (at < n && !is_gone(m->core, address)) tell(m, &l->entries[place], address, l->s->size, NEAR_FREE, address + at);
}

/* Of a free place that no list has led to before; PLACES_MOST: none begins there. */
static uint64_t number_of(const struct looking *l, uint64_t at) {
    uint64_t offset = at - l->s->start, place = offset / l->s->size;
    if (place >= l->s->places || offset % l->s->size || l->seen[place / 64] >> place % 64 & 1) return PLACES_MOST;
    return l->entries && CORE_LIVE(&l->entries[place]) ? PLACES_MOST : place;
}

static void look_at_list(struct looking *l, uint64_t key, uint64_t first) {
    uint64_t at = first, from = PLACES_MOST, place, word = first;
    for (; at && (place = number_of(l, at)) != PLACES_MOST; from = place) {
        l->seen[place / 64] |= (uint64_t)1 << place % 64;
        look_at_freed(l, place);
        if (!core_read(l->m->core, &word, sizeof word, at) || !word) return;
        word ^= key ? at ^ key : 0;
        at = word & ~l->m->t.arena.link_mark;
    }
    if (at && from != PLACES_MOST)
        tell(l->m, l->entries ? &l->entries[from] : NULL, l->s->start + from * l->s->size, l->s->size, NEAR_LINK, word);
}

/* --- entries --- */

static void look_at_entry(const struct looking *l, uint64_t place) {
    const struct core_side *side = &l->entries[place];
    bool live = CORE_LIVE(side), freed = CORE_FREED(side);
    uint64_t ids = l->m->stacks.ids, wrong = 0;
    if (!live && !freed && !CORE_NEVER(side))
        wrong = side->state;
    else if ((live || freed) && ids && side->stack >= ids)
        wrong = side->stack;
    else if (live && CORE_SIZE(side) > l->s->size)
        wrong = CORE_SIZE(side);
    if (wrong) tell(l->m, side, l->s->start + place * l->s->size, l->s->size, NEAR_ENTRY, wrong);
}

void damage_look_at_slab(struct making *m, const struct span *s, const struct core_side *entries) {
    const struct core_arena *t = &m->t.arena;
    struct looking l = {m, s, entries, {0}};
    struct remote remote = walk_remote(s, t);
    uint64_t key = t->at_link_key ? core_word(m->core, t->at_link_key) : 0;
    for (uint64_t i = 0; entries && i < s->places; i++) look_at_entry(&l, i);
    if (!s->size || remote.given) return;
    look_at_list(&l, key, word_of(s->d, t->in_free));
    look_at_list(&l, key, word_of(s->d, t->in_local_free));
    look_at_list(&l, key, remote.first);
}
