/* Of several dumps of one process image, which is the one that counts. */
#include "reporter/load/merge.h"

static bool is_final(uint32_t reason) {
    return reason == DUMP_AT_EXIT || reason == DUMP_AT_TERM || reason == DUMP_AT_CRASH || reason == DUMP_AT_CORE;
}

/* Of two copies of the same dump the whole one, else the first. A box is newer than what was written before it last
 * changed, but for a dump of the end, which has blocks as well. */
static bool is_newer(const struct dump *new, const struct dump *old) {
    const struct dump_process *a = &new->process, *b = &old->process;
    if (a->reason == DUMP_LEFT || b->reason == DUMP_LEFT) {
        if (is_final(a->reason) != is_final(b->reason)) return is_final(a->reason);
        return a->dump_time > b->dump_time;
    }
    if (a->number != b->number) return a->number > b->number;
    if (a->dump_time != b->dump_time) return a->dump_time > b->dump_time;
    return !new->problem_count && old->problem_count;
}

void merged_mark_older(struct merged *merged) {
    for (size_t i = 0; i < merged->part_count; i++)
        for (size_t j = 0; j < i; j++) {
            struct part *new = &merged->parts[i], *old = &merged->parts[j];
            if (old->older || !dump_same_image(new->dump, old->dump)) continue;
            if (is_newer(new->dump, old->dump))
                old->older = true;
            else
                new->older = true;
        }
    for (size_t i = 0; i < merged->part_count; i++) merged->counted += !merged->parts[i].older;
}
