/* See live_blocks.h. */
#include "shim/box/live_blocks.h"
#include "shim/base/lock.h"
#include "shim/base/region.h"
#include "shim/box/contents.h"
#include "shim/box/format_box.h"
#include "shim/box/live.h"
#include "shim/box/state.h"

#include <stdatomic.h>

#define A_PAGE 128u /* records of it, and entries that have one page between them */
#define PAGES  (BOX_BLOCKS_MOST / A_PAGE)

bool live_blocks_on;

static struct region page_of[ARENA_ENTRY_KINDS]; /* by number of the entry / A_PAGE; 0: none yet */
static uint32_t pages_used;                      /* under LOCK_BOX */

void live_blocks_start(size_t arena_bytes) {
    size_t runs = arena_bytes / SLICE / A_PAGE + 1, places = arena_bytes / 16 / A_PAGE + 1;
    live_blocks_on = true;
    for (unsigned i = 0; i < ARENA_ENTRY_KINDS; i++)
        live_blocks_on &= region_reserve(&page_of[i], (i == 0 ? places : runs) * sizeof(uint32_t), false);
}

/* --- which record --- */

static _Atomic uint32_t *page_word(const struct region *r, size_t i) {
    return (_Atomic uint32_t *)(void *)r->base + i;
}

static struct dump_block *record_in(uint32_t page, size_t number) {
    return (struct dump_block *)live_at(BOX_AT_BLOCKS) + (size_t)(page - 1) * A_PAGE + number % A_PAGE;
}

/* 0: there is no room for one, or a handler interrupted who has the lock. */
static NOINLINE uint32_t add_page(struct region *r, size_t i) {
    uint32_t page = 0;
    if (!region_commit(r, (i + 1) * sizeof page) || lock_held_here(LOCK_BOX)) return 0;
    lock_take(LOCK_BOX);
    page = atomic_load_explicit(page_word(r, i), memory_order_relaxed);
    if (page == 0 && pages_used < PAGES &&
        live_reach_locked(BOX_AT_BLOCKS + (size_t)pages_used * A_PAGE * sizeof(struct dump_block),
                          A_PAGE * sizeof(struct dump_block))) {
        page = ++pages_used;
        atomic_store_explicit(page_word(r, i), page, memory_order_release);
    }
    lock_give(LOCK_BOX);
    return page;
}

/* Of the entry; NULL: there is none, and with `add` there can be none. */
static struct dump_block *record_of(const struct side *side, bool add, char **start) {
    size_t number;
    unsigned kind;
    *start = arena_block_of(side, &kind, &number);
    struct region *r = &page_of[kind];
    size_t i = number / A_PAGE, committed = atomic_load_explicit(&r->committed, memory_order_acquire);
    uint32_t page = 0;
    if ((i + 1) * sizeof page <= committed) page = atomic_load_explicit(page_word(r, i), memory_order_acquire);
    if (page == 0 && add) page = add_page(r, i);
    return page ? record_in(page, number) : NULL;
}

/* --- what is written --- */

void live_block_made(const struct side *side) {
    char *start;
    if (!live_is_filed()) return;
    struct dump_block *to = record_of(side, true, &start);
    if (!to) {
        live_lose_block();
        return;
    }
    to->size = side->size;
    to->time = max_size(side_time(side), state_fork_time()); /* else it would count as inherited */
    to->stack = side->stack;
    to->thread = side->thread;
    to->weight = 0;
    contents_weigh(to, side_draw(side));
    __atomic_store_n(&to->address, (uintptr_t)start, __ATOMIC_RELEASE);
}

void live_block_gone(const struct side *side) {
    char *start;
    if (!live_is_filed()) return;
    struct dump_block *record = record_of(side, false, &start);
    if (record) __atomic_store_n(&record->address, 0, __ATOMIC_RELEASE);
}

void live_blocks_forget(void) {
    if (!live_blocks_on) return;
    pages_used = 0;
    for (unsigned i = 0; i < ARENA_ENTRY_KINDS; i++) region_clear(&page_of[i]);
}
