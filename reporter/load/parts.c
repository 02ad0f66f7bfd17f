/* What each of several dumps has: of a site, and in its counters. */
#include "reporter/load/memory.h"
#include "reporter/load/merge.h"
#include "reporter/load/sums.h"

void merged_count_part(struct merged_site *site, size_t part, uint64_t blocks, uint64_t bytes) {
    if (!site->parts || site->by_part[site->parts - 1].part != part) {
        if (!site->by_part) { /* mostly there is one */
            site->by_part = memory_get(1, sizeof *site->by_part);
            site->part_capacity = 1;
        }
        site->by_part =
            memory_more(site->by_part, &site->part_capacity, site->parts + (size_t)1, sizeof *site->by_part);
        site->by_part[site->parts++] = (struct site_part){(uint32_t)part, 0, 0};
    }
    add_to(&site->by_part[site->parts - 1].blocks, blocks);
    add_to(&site->by_part[site->parts - 1].bytes, bytes);
}

bool merged_all_judged(const struct merged *merged) {
    for (size_t i = 0; i < merged->part_count; i++)
        if (!merged->parts[i].older && !dump_is_judged(merged->parts[i].dump)) return false;
    return true;
}

bool merged_stat(const struct merged *merged, uint32_t id, uint64_t *sum, uint64_t *highest) {
    bool known = true;
    *sum = *highest = 0;
    for (size_t i = 0; i < merged->part_count; i++) {
        uint64_t value = 0;
        if (merged->parts[i].older) continue;
        known = dump_stat(merged->parts[i].dump, id, &value) && known;
        add_to(sum, value);
        if (value > *highest) *highest = value;
    }
    return known && merged->counted;
}
