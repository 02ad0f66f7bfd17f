/* The parts of blocks that a dump lists, as pools of the program's have given them out; see contents.h. */
#include "shim/box/contents.h"
#include "shim/box/pools.h"

static void add_part(void *context, const struct part *part) {
    struct contents *c = context;
    if (part->inherited || !pools_holds(part)) return;
    enum dump_verdict verdict = c->verdicts.known ? dump_verdicts->of_part(part->start) : DUMP_UNKNOWN;
    if (c->verdicts.known && verdict == DUMP_UNKNOWN) return; /* of memory that is gone */
    struct dump_block b = {part->start,  part->size, part->time, contents_stack(c, part->stack),
                           part->thread, verdict,    0};
    writer_add(&c->w, &b, sizeof b);
    contents_note_thread(c, part->thread);
    if (b.verdict == DUMP_LEAKED) contents_note_leak(c, b.stack, b.size);
}

void contents_write_pools(struct contents *c) {
    if (!pools_any()) return;
    writer_begin(&c->w, DUMP_POOLS, sizeof(struct dump_block));
    pools_each(add_part, c);
    writer_end(&c->w);
}
