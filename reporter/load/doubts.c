/* What the program under weir could not find out about its own blocks: which stacks are short, guessed or not there,
 * and how many blocks that concerns. Their bytes are exact all the same. */
#include <stdlib.h>

#include "reporter/load/memory.h"
#include "reporter/load/merge.h"

static void add(struct merged *merged, uint64_t blocks, const char *words) {
    if (!blocks) return;
    merged->doubts = memory_more(merged->doubts, &merged->doubt_capacity, merged->doubt_count + 1, sizeof(char *));
    merged->doubts[merged->doubt_count++] =
        memory_format("%llu of %llu %sblocks: %s", (unsigned long long)blocks, (unsigned long long)merged->blocks,
                      merged->sampled ? "sampled " : "", words);
}

static bool has_nameless_frame(const struct merged *merged, const struct merged_site *site) {
    for (uint32_t i = 0; i < site->frame_count; i++)
        if (merged->modules[site->frames[i].module]->jit) return true;
    return false;
}

void merged_find_doubts(struct merged *merged) {
    uint64_t none = 0, lost = 0, guessed = 0, nameless = 0, modules = 0, full = 0, highest = 0;
    bool some_lost = merged_stat(merged, STAT_MODULES_LOST, &modules, &highest) && modules;
    for (size_t i = 0; i < merged->site_count; i++) {
        const struct merged_site *site = merged->sites[i];
        if (site->flags & DUMP_STACK_NONE) none += site->blocks;
        if (site->flags & DUMP_STACK_LOST) lost += site->blocks;
        if (site->flags & DUMP_STACK_GUESS) guessed += site->blocks;
        if (some_lost && has_nameless_frame(merged, site)) nameless += site->blocks;
    }
    bool refused = merged_stat(merged, STAT_STACKS_FULL, &full, &highest) && full;
    add(merged, none, refused ? "their stacks found no memory" : "no stack could be taken");
    add(merged, lost, "outer frames could not be found, there is no unwind information");
    add(merged, guessed, "some frames were found by frame pointers and may be wrong");
    add(merged, nameless, "modules found no room in the table, their frames are plain addresses");
}
