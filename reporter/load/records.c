/* Access records: of each site, those of the one block that was accessed last. */
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/load/merge.h"

/* By block, the newest first. */
static int compare(const void *left, const void *right) {
    const struct dump_record *a = *(const struct dump_record *const *)left;
    const struct dump_record *b = *(const struct dump_record *const *)right;
    if (a->address != b->address) return a->address < b->address ? -1 : 1;
    if (a->number != b->number) return a->number > b->number ? -1 : 1;
    return a < b ? -1 : a > b;
}

static size_t end_of_block(const struct dump_record *const *sorted, size_t from, size_t count) {
    size_t end = from + 1;
    while (end < count && sorted[end]->address == sorted[from]->address) end++;
    return end;
}

/* The block whose newest record is record `at` of the sorted ones. */
static void choose(struct merged *merged, const struct dump *dump, struct translation *known,
                   const struct dump_record *newest, size_t at) {
    enum dump_verdict verdict = dump_is_judged(dump) ? (enum dump_verdict)newest->verdict : DUMP_UNKNOWN;
    struct merged_site *site = merged_site_of(merged, dump, known, newest->made, verdict);
    site->record_blocks++;
    if (site->record_dump && site->record_age <= dump_age(dump, newest->time)) return;
    merged_free_records(site);
    site->record_dump = dump;
    site->record_at = at;
    site->record_age = dump_age(dump, newest->time);
}

static void add_record(struct merged *merged, const struct dump *dump, struct translation *known,
                       struct merged_site *site, const struct dump_record *from) {
    static struct merged_frame frames[MERGED_FRAMES_MAX];
    struct merged_record *record = &site->records[site->record_count++];
    *record = (struct merged_record){.record = from, .age = dump_age(dump, from->time)};
    record->frame_count = merged_frames(merged, dump, known, from->stack, frames);
    record->frames = memory_get(record->frame_count, sizeof *frames);
    if (record->frame_count) {
        memcpy(record->frames, frames, record->frame_count * sizeof *frames);
        record->flags = dump_stacks(dump)[from->stack].flags;
    }
}

static void add_chosen(struct merged *merged, const struct dump *dump, struct translation *known,
                       struct merged_site *site, const struct dump_record *const *sorted, size_t count) {
    size_t end = end_of_block(sorted, site->record_at, count), kept = end - site->record_at;
    uint64_t ever = sorted[site->record_at]->number;
    site->records = memory_get(kept, sizeof *site->records);
    for (size_t i = site->record_at; i < end; i++) add_record(merged, dump, known, site, sorted[i]);
    site->record_discarded = ever > kept ? ever - kept : 0;
}

void merged_add_records(struct merged *merged, const struct dump *dump, struct translation *known) {
    size_t count = (size_t)dump_count(dump, DUMP_RECORDS);
    if (!count) return;
    const struct dump_record **sorted = memory_get(count, sizeof(void *));
    for (size_t i = 0; i < count; i++) sorted[i] = &dump_records(dump)[i];
    qsort(sorted, count, sizeof(void *), compare);
    for (size_t i = 0; i < count; i = end_of_block(sorted, i, count)) choose(merged, dump, known, sorted[i], i);
    for (size_t i = 0; i < merged->site_count; i++)
        if (merged->sites[i]->record_dump == dump && !merged->sites[i]->records)
            add_chosen(merged, dump, known, merged->sites[i], sorted, count);
    free(sorted);
}

void merged_free_records(struct merged_site *site) {
    for (size_t i = 0; i < site->record_count; i++) free(site->records[i].frames);
    free(site->records);
    site->records = NULL;
    site->record_count = 0;
}
