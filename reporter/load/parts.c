/* What each of several dumps has of a site. */
#include "reporter/load/memory.h"
#include "reporter/load/merge.h"

static void add_to(uint64_t *sum, uint64_t more) {
    if (__builtin_add_overflow(*sum, more, sum)) *sum = UINT64_MAX;
}

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
