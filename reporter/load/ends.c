/* What a core's threads were doing, and the blocks that its end was about. */
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/load/merge.h"

static struct merged_stack stack_of(struct merged *merged, const struct dump *dump, struct translation *known,
                                    uint32_t stack) {
    static struct merged_frame frames[MERGED_FRAMES_MAX];
    struct merged_stack to = {0};
    to.frame_count = stack ? merged_frames(merged, dump, known, stack, frames) : 0;
    to.frames = memory_get(to.frame_count, sizeof *frames);
    if (!to.frame_count) return to;
    memcpy(to.frames, frames, to.frame_count * sizeof *frames);
    to.flags = dump_stacks(dump)[stack].flags;
    return to;
}

void merged_add_ends(struct merged *merged, const struct dump *dump, struct translation *known) {
    for (uint64_t i = 0; i < dump_count(dump, DUMP_DOINGS); i++) {
        const struct dump_doing *from = &dump_doings(dump)[i];
        merged->doings =
            memory_more(merged->doings, &merged->doing_capacity, merged->doing_count + 1, sizeof *merged->doings);
        merged->doings[merged->doing_count++] =
            (struct merged_doing){dump, from, stack_of(merged, dump, known, from->stack)};
    }
    for (uint64_t i = 0; i < dump_count(dump, DUMP_NEARS); i++) {
        const struct dump_near *from = &dump_nears(dump)[i];
        merged->nears =
            memory_more(merged->nears, &merged->near_capacity, merged->near_count + 1, sizeof *merged->nears);
        merged->nears[merged->near_count++] = (struct merged_near){
            dump, from, stack_of(merged, dump, known, from->made), stack_of(merged, dump, known, from->freed)};
    }
}

void merged_free_ends(struct merged *merged) {
    for (size_t i = 0; i < merged->doing_count; i++) free(merged->doings[i].stack.frames);
    for (size_t i = 0; i < merged->near_count; i++) {
        free(merged->nears[i].made.frames);
        free(merged->nears[i].freed.frames);
    }
    free(merged->doings);
    free(merged->nears);
}
