/* What the program under weir could not find out about its own blocks: which stacks are short, guessed or not there,
 * and how many blocks that concerns. Their bytes are exact all the same. */
#include <stdlib.h>

#include "reporter/load/jit.h"
#include "reporter/load/memory.h"
#include "reporter/load/merge.h"

static void say(struct merged *merged, char *words) {
    merged->doubts = memory_more(merged->doubts, &merged->doubt_capacity, merged->doubt_count + 1, sizeof(char *));
    merged->doubts[merged->doubt_count++] = words;
}

static void add(struct merged *merged, uint64_t blocks, const char *words) {
    if (!blocks) return;
    say(merged, memory_format("stacks: %llu of %llu %sblocks: %s", (unsigned long long)blocks,
                              (unsigned long long)merged->blocks, merged->sampled ? "sampled " : "", words));
}

static const struct jit *jit_without_name(const struct merged *merged, const struct merged_site *site) {
    for (uint32_t i = 0; i < site->frame_count; i++) {
        const struct merged_frame *frame = &site->frames[i];
        const struct merged_module *module = merged->modules[frame->module];
        if (module->jit && !jit_at(module->dump, frame->offset - !frame->exact)) return module->dump->jit;
    }
    return NULL;
}

/* Whoever made it writes a map of it if that is asked for. */
static const char *why_nameless(const struct merged *merged) {
    for (size_t i = 0; i < merged->module_count; i++) {
        struct text path = merged->modules[i]->path;
        if (memmem(path.bytes, path.length, "/libjvm.so", 10))
            return "Java methods have no names: no perf map (weir-report(1))";
    }
    return "code of a JIT has no names: no perf map (weir-report(1))";
}

/* Names by what was written after the dump. */
static void add_late(struct merged *merged, const struct dump *dump) {
    if (!dump->jit || !dump->jit->late) return;
    uint64_t dumped = dump->header.time_realtime, later = dump->jit->time > dumped ? dump->jit->time - dumped : 0;
    say(merged, memory_format("names of JIT code by a perf map written %llus after the dump",
                              (unsigned long long)(later / 1000000000u)));
}

void merged_find_doubts(struct merged *merged) {
    uint64_t none = 0, lost = 0, guessed = 0, nameless = 0, jitted = 0, modules = 0, full = 0, highest = 0;
    bool some_lost = merged_stat(merged, STAT_MODULES_LOST, &modules, &highest) && modules;
    for (size_t i = 0; i < merged->site_count; i++) {
        const struct merged_site *site = merged->sites[i];
        if (site->flags & DUMP_STACK_NONE) none += site->blocks;
        if (site->flags & DUMP_STACK_LOST) lost += site->blocks;
        if (site->flags & DUMP_STACK_GUESS) guessed += site->blocks;
        const struct jit *jit = jit_without_name(merged, site);
        if (some_lost && jit) nameless += site->blocks;
        if (jit && jit->state && jit->state != JIT_MAP_READ) jitted += site->blocks;
    }
    bool refused = merged_stat(merged, STAT_STACKS_FULL, &full, &highest) && full;
    uint64_t unrecorded = 0;
    (void)merged_stat(merged, STAT_RECORDS_LOST, &unrecorded, &highest); /* of the dumps that have it */
    if (unrecorded)
        say(merged, memory_format("records: %llu accesses of blocks are missing: there was no memory, or a signal "
                                  "handler had interrupted malloc or free",
                                  (unsigned long long)unrecorded));
    uint64_t steps = 0;
    if (merged_stat(merged, STAT_BOX_BLOCKS, &steps, &highest) && highest == 2)
        say(merged, memory_format(
                        "box: not all blocks found room (WEIR_BOX_MAX, WEIR_MAX_DIRECT): of some ages are not known"));
    uint64_t parts = 0;
    (void)merged_stat(merged, STAT_POOL_LOST, &parts, &highest);
    if (parts)
        say(merged,
            memory_format("pools: %llu parts of blocks are missing or should have gone: there was no memory, or a "
                          "signal handler had interrupted malloc or free",
                          (unsigned long long)parts));
    bool box = merged->part_count == 1 && merged->parts[0].dump->process.reason == DUMP_LEFT;
    add(merged, none, refused || box ? "their stacks found no memory" : "no stack could be taken");
    add(merged, lost, "outer frames could not be found, there is no unwind information");
    add(merged, guessed, "some frames were found by frame pointers and may be wrong");
    add(merged, nameless, "modules found no room in the table, their frames are plain addresses");
    if (!some_lost) add(merged, jitted, why_nameless(merged));
    for (size_t i = 0; i < merged->part_count; i++) add_late(merged, merged->parts[i].dump);
}
