/* Who mapped what is charged of the program's own mappings, of a core; see making.h. */
#include "reporter/load/core/making.h"

/* What its parent has mapped is that one's to list. */
static void add(struct making *m, const struct core_owner *o) {
    if (o->pages == 0 || o->pages > UINT64_MAX / CORE_PAGE || o->time <= m->process.fork_time) return;
    struct dump_mapping mapping = {.address = o->start,
                                   .size = o->size,
                                   .charged = o->pages * CORE_PAGE,
                                   .time = o->time,
                                   .stack = making_stack(m, o->stack),
                                   .thread = o->thread};
    dump_writer_add(&m->w, &mapping);
    making_note_thread(m, o->thread);
    if (o->time > m->newest) m->newest = o->time;
}

void making_write_mappings(struct making *m) {
    uint64_t table = core_word(m->core, m->t.search.at_owners);
    uint32_t used = core_half(m->core, m->t.search.at_owners_used);
    struct core_owner o;
    dump_writer_open(&m->w, DUMP_MAPPINGS, sizeof(struct dump_mapping));
    for (uint64_t i = 1; table && i < used && i < CORE_OWNERS_MOST; i++) {
        if (!core_read(m->core, &o, sizeof o, table + i * sizeof o)) break;
        add(m, &o);
    }
    dump_writer_close(&m->w);
}
