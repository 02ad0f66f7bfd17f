/* Where realloc made blocks larger: what a dump tells block by block, added up by where they were made and where they
 * grew. */
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/load/merge.h"
#include "reporter/load/sums.h"

struct pair {
    struct pair_key {
        uint32_t made, stack;
    } key;
    uint64_t blocks, bytes, oldest, newest;
    UT_hash_handle hh;
};

static struct pair *add_up(const struct dump *dump) {
    struct pair *table = NULL;
    for (uint64_t i = 0; i < dump_count(dump, DUMP_GROWN); i++) {
        const struct dump_grown *grown = &dump_grown(dump)[i];
        unsigned char key[sizeof(struct pair_key)];
        memcpy(key, &(struct pair_key){grown->made, grown->stack}, sizeof key);
        struct pair *pair = NULL;
        HASH_FIND(hh, table, key, sizeof key, pair);
        if (!pair) {
            pair = memory_get(1, sizeof *pair);
            *pair = (struct pair){.key = {grown->made, grown->stack}, .oldest = UINT64_MAX};
            HASH_ADD(hh, table, key, sizeof pair->key, pair);
        }
        add_to(&pair->blocks, 1);
        add_to(&pair->bytes, grown->size);
        if (grown->time < pair->oldest) pair->oldest = grown->time;
        if (grown->time > pair->newest) pair->newest = grown->time;
    }
    return table;
}

static struct merged_growth *growth_with(struct merged_site *site, const struct merged_frame *frames, uint32_t count) {
    for (size_t i = 0; i < site->growth_count; i++) {
        struct merged_growth *growth = &site->growths[i];
        if (growth->frame_count != count) continue;
        if (!count || memcmp(growth->frames, frames, count * sizeof *frames) == 0) return growth;
    }
    site->growths = memory_more(site->growths, &site->growth_capacity, site->growth_count + 1, sizeof *site->growths);
    struct merged_growth *growth = &site->growths[site->growth_count++];
    *growth = (struct merged_growth){.frame_count = count, .newest_age = UINT64_MAX};
    growth->frames = memory_get(count, sizeof *frames);
    if (count) memcpy(growth->frames, frames, count * sizeof *frames);
    return growth;
}

void merged_add_growths(struct merged *merged, const struct dump *dump, struct translation *known) {
    static struct merged_frame frames[MERGED_FRAMES_MAX];
    struct pair *table = add_up(dump), *pair = table, *next = NULL;
    HASH_CLEAR(hh, table); /* the pairs stay */
    for (; pair; pair = next) {
        next = pair->hh.next;
        struct merged_site *site =
            merged_site_of(merged, dump, known, pair->key.made, dump_main_verdict(dump, pair->key.made));
        uint32_t count = merged_frames(merged, dump, known, pair->key.stack, frames);
        struct merged_growth *growth = growth_with(site, frames, count);
        if (pair->key.stack < dump_count(dump, DUMP_STACKS)) growth->flags |= dump_stacks(dump)[pair->key.stack].flags;
        add_to(&growth->blocks, pair->blocks);
        add_to(&growth->bytes, pair->bytes);
        if (dump_age(dump, pair->oldest) > growth->oldest_age) growth->oldest_age = dump_age(dump, pair->oldest);
        if (dump_age(dump, pair->newest) < growth->newest_age) growth->newest_age = dump_age(dump, pair->newest);
        free(pair);
    }
}

static int compare(const void *left, const void *right) {
    const struct merged_growth *a = left, *b = right;
    if (a->bytes != b->bytes) return a->bytes > b->bytes ? -1 : 1;
    if (a->frame_count != b->frame_count) return a->frame_count < b->frame_count ? -1 : 1;
    return a->frame_count ? memcmp(a->frames, b->frames, a->frame_count * sizeof *a->frames) : 0;
}

void merged_sort_growths(struct merged_site *site) {
    if (site->growth_count) qsort(site->growths, site->growth_count, sizeof *site->growths, compare);
}
