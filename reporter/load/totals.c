/* What was ever made, by site. */
#include "reporter/load/merge.h"

static double scaled(uint64_t value) {
    return (double)(int64_t)value / (1u << DUMP_TOTAL_SHIFT);
}

static void add(struct merged_totals *to, const struct dump_total *from) {
    to->allocations += scaled(from->allocations);
    to->bytes += scaled(from->bytes);
    to->frees += scaled(from->frees);
    to->freed_bytes += scaled(from->freed_bytes);
    to->temporary += scaled(from->temporary);
    to->peak_blocks += scaled(from->peak_blocks);
    to->peak_bytes += scaled(from->peak_bytes);
    to->samples += from->samples;
    for (size_t i = 0; i < DUMP_LIFETIMES; i++) to->lifetimes[i] += from->lifetimes[i];
}

void merged_add_totals(struct merged *merged, const struct dump *dump, struct translation *known) {
    for (uint64_t i = 0; i < dump_count(dump, DUMP_TOTALS); i++) {
        const struct dump_total *total = &dump_totals(dump)[i];
        add(&merged->ever, total);
        if (!total->stack) {
            add(&merged->others, total);
            continue;
        }
        enum dump_verdict verdict = dump_main_verdict(dump, total->stack);
        add(&merged_site_of(merged, dump, known, total->stack, verdict)->ever, total);
    }
}
