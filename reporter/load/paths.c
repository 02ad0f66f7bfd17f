/* Of each site the way to one of its blocks: what leads there from a root says more than what may be none. */
#include "reporter/load/merge.h"

int path_rank(const struct dump_path *path) {
    return path->flags & DUMP_PATH_PAST ? 1 : path->root == ROOT_POSSIBLE ? 2 : path->root == ROOT_LEAKED ? 3 : 0;
}

static bool has_blocks(const struct dump *dump, uint32_t stack, uint32_t verdict) {
    const struct block_summary *summary = dump_summary(dump, stack);
    while (summary && summary->verdict != verdict) summary = dump_next_summary(dump, summary);
    return summary && summary->blocks;
}

void merged_add_paths(struct merged *merged, const struct dump *dump, struct translation *known) {
    if (!dump_is_judged(dump)) return;
    for (uint64_t i = 0; i < dump_count(dump, DUMP_PATHS); i++) {
        const struct dump_path *path = &dump_paths(dump)[i];
        if (!has_blocks(dump, path->stack, path->verdict)) continue;
        struct merged_site *site = merged_site_of(merged, dump, known, path->stack, (enum dump_verdict)path->verdict);
        if (site->path && path_rank(site->path) <= path_rank(path)) continue;
        site->path = path;
        site->path_dump = dump;
    }
}

void merged_know_modules(struct merged *merged) {
    for (size_t i = 0; i < merged->part_count; i++) {
        const struct dump *dump = merged->parts[i].dump;
        for (uint64_t j = 0; j < dump_count(dump, DUMP_MODULES); j++) (void)merged_module_of(merged, dump, (uint32_t)j);
    }
}
