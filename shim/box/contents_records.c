/* The access records of a dump, of the live blocks that it lists; see contents.h. */
#include "shim/box/contents.h"
#include "shim/box/records.h"
#include "shim/box/stacks.h"
#include "shim/box/state.h"

#include <stdatomic.h>

struct writing {
    struct contents *c;
    struct dump_string hints, no_room;
};

static struct dump_string hint_of(const struct writing *w, const struct record *r) {
    if (r->kind != RECORD_TOUCH || r->detail == 0) return (struct dump_string){0, 0};
    if (r->detail == HINT_LOST) return w->no_room;
    size_t length, at = hint_at(r->detail, &length);
    if (at + length > w->hints.length) return (struct dump_string){0, 0};
    return (struct dump_string){w->hints.offset + (uint32_t)at, (uint32_t)length};
}

/* Records of a block that is gone may wait for the next one of its place. */
static void add_record(void *context, const void *block, uint64_t number, const struct record *r) {
    const struct writing *w = context;
    struct place place = arena_find(block);
    if (!place.tracked || !place.exact) return;
    uint32_t state = atomic_load_explicit(&place.side->state, memory_order_acquire);
    if (!SIDE_IS_LIVE(state) || !(state & SIDE_RECORDED) || state_is_inherited(place.side)) return;
    struct dump_record d = {.address = (uintptr_t)block,
                            .number = number,
                            .time = r->time,
                            .stack = contents_stack(w->c, r->stack),
                            .made = contents_stack(w->c, place.side->stack),
                            .thread = r->thread,
                            .kind = r->kind,
                            .fd = r->kind >= RECORD_READ ? (int32_t)r->detail : -1,
                            .hint = hint_of(w, r)};
    if (w->c->verdicts.known) d.verdict = dump_verdicts->of(block);
    writer_add(&w->c->w, &d, sizeof d);
    contents_note_thread(w->c, r->thread);
}

void contents_write_records(struct contents *c) {
    static const char no_room[] = "(a hint that found no room)";
    if (!records_any()) return;
    struct writing w = {.c = c};
    size_t length;
    const char *hints = hints_all(&length);
    if (length > 1) {
        w.hints = contents_string(c, hints, length);
        w.no_room = contents_string(c, no_room, sizeof no_room - 1);
    }
    writer_begin(&c->w, DUMP_RECORDS, sizeof(struct dump_record));
    records_each(add_record, &w);
    writer_end(&c->w);
}
