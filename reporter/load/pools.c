/* Parts of blocks that pools of the program's have given out: sites of their own, whose bytes are in their blocks'. */
#include "reporter/load/marks.h"
#include "reporter/load/memory.h"
#include "reporter/load/merge.h"
#include "reporter/load/sums.h"

static void add_part(struct merged *merged, size_t number, struct translation *known, const struct dump_block *part) {
    const struct dump *dump = merged->parts[number].dump;
    const struct drawing all = {0};
    enum dump_verdict verdict = dump_is_judged(dump) ? (enum dump_verdict)part->verdict : DUMP_UNKNOWN;
    struct merged_site *site = merged_pool_of(merged, dump, known, part->stack, verdict);
    uint64_t age = dump_age(dump, part->time);
    size_t threads = site->thread_count;
    add_to(&site->blocks, 1);
    add_to(&site->bytes, part->size);
    samples_add(&site->block_samples, &all, (double)part->size, 1, 1);
    samples_add(&site->byte_samples, &all, (double)part->size, (double)part->size, 1);
    ages_add(&site->ages, &dump->time, part->time, (double)part->size, 1);
    sizes_add(&site->sizes, part->size);
    if (age > site->oldest_age) site->oldest_age = age;
    if (age < site->newest_age) site->newest_age = age;
    site->threads = memory_more(site->threads, &site->thread_capacity, threads + 1, sizeof *site->threads);
    merged_add_thread(site, dump, part->thread, 1);
    merged_count_part(site, number, 1, part->size);
    if (marks_at(dump, part->time)) marks_count(site, dump, marks_at(dump, part->time), 1);
}

void merged_add_pools(struct merged *merged, size_t part, struct translation *known) {
    const struct dump *dump = merged->parts[part].dump;
    for (uint64_t i = 0; i < dump_count(dump, DUMP_POOLS); i++)
        if (dump_pools(dump)[i].time >= dump->since) add_part(merged, part, known, &dump_pools(dump)[i]);
}
