/* See diff.h. A site of one report is that of the other where its frames are the same code: the same file, the same
 * offset in it. Verdicts do not count here. */
#include "reporter/load/diff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/jit.h"
#include "reporter/load/memory.h"

struct entry {
    char *key;
    struct diff_site diff;
    UT_hash_handle hh;
};

/* Code of no module lies elsewhere in each process: it is the same where its name is. */
static char *frame_key(const struct merged *merged, const struct merged_frame *frame) {
    const struct merged_module *module = merged->modules[frame->module];
    const struct jit_code *code = module->jit ? jit_at(module->dump, frame->offset - !frame->exact) : NULL;
    if (code) return memory_format("jit:%.*s;", (int)code->name.length, code->name.bytes);
    return memory_format("%s@%llx;", module->key, (unsigned long long)frame->offset);
}

static char *key_of(const struct merged *merged, const struct merged_site *site) {
    char *key = NULL;
    size_t length = 0, capacity = 0;
    for (uint32_t i = 0; i < site->frame_count; i++) {
        char *frame = frame_key(merged, &site->frames[i]);
        size_t more = strlen(frame);
        key = memory_more(key, &capacity, length + more + 1, 1);
        memcpy(key + length, frame, more + 1);
        length += more;
        free(frame);
    }
    return key ? key : memory_text("", 0);
}

static struct entry *entry_of(struct entry **table, char *key) {
    struct entry *entry = NULL;
    HASH_FIND_STR(*table, key, entry);
    if (entry) {
        free(key);
        return entry;
    }
    entry = memory_get(1, sizeof *entry);
    entry->key = key;
    HASH_ADD_KEYPTR(hh, *table, entry->key, strlen(entry->key), entry);
    return entry;
}

static void add_all(struct entry **table, const struct merged *merged, bool now) {
    for (size_t i = 0; i < merged->site_count; i++) {
        struct merged_site *site = merged->sites[i];
        if (!site->blocks) continue;
        struct diff_site *d = &entry_of(table, key_of(merged, site))->diff;
        samples_join(now ? &d->bytes_now : &d->bytes_before, &site->byte_samples);
        samples_join(now ? &d->blocks_now : &d->blocks_before, &site->block_samples);
        if (now) samples_join(&d->came, &site->later_samples);
        if (now) ages_join(&d->ages, &site->ages);
        if (d->site && !(now && d->gone)) continue;
        d->site = site;
        d->gone = !now;
    }
}

static double value_of(const struct samples *s) {
    return s->seen + s->unseen;
}

/* Two dumps of one process have the blocks in common that it had at the first and has still: they are no chance. What
 * is left are those that went, and those that came; but where realloc has changed what both have it does not come out
 * even, and the two are taken for drawn by themselves, which is a wider range. */
static struct estimate difference(const struct diff_site *d, bool same_process) {
    struct samples kept = d->bytes_now, gone = d->bytes_before;
    if (same_process && samples_take_off(&kept, &d->came) && samples_take_off(&gone, &kept))
        return samples_difference(&gone, &d->came);
    return samples_difference(&d->bytes_before, &d->bytes_now);
}

static void weigh(struct diff_site *d, bool same_process) {
    d->range = difference(d, same_process);
    d->bytes = value_of(&d->bytes_now) - value_of(&d->bytes_before);
    d->blocks = value_of(&d->blocks_now) - value_of(&d->blocks_before);
    d->least = d->range.low > 0 ? d->range.low : d->range.high < 0 ? d->range.high : 0;
}

static int compare(const void *left, const void *right) {
    const struct diff_site *a = left, *b = right;
    if (a->least != b->least) return a->least < b->least ? 1 : -1;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    return a->site->id < b->site->id ? -1 : a->site->id > b->site->id;
}

static const struct dump *the_dump(const struct merged *merged) {
    const struct dump *only = NULL;
    for (size_t i = 0; i < merged->part_count && merged->counted == 1; i++)
        if (!merged->parts[i].older) only = merged->parts[i].dump;
    return only;
}

/* The clock that blocks have their time by is behind by a tick, 10 ms at the most. So some are taken for later ones,
 * and for gone, that both dumps have: that widens the range, and no more. */
#define TICK 11000000u

void diff_split(const struct merged *before) {
    uint64_t newest = 0;
    for (size_t i = 0; i < before->part_count; i++) {
        const struct dump *dump = before->parts[i].dump;
        if (!dump_same_image(dump, before->parts[0].dump)) return;
        if (dump->process.dump_time > newest) newest = dump->process.dump_time;
    }
    if (newest > TICK) dump_split(newest - TICK);
}

void diff_make(struct diff *diff, const struct merged *before, const struct merged *now) {
    struct entry *table = NULL;
    *diff = (struct diff){0};
    const struct dump *old = the_dump(before), *new = the_dump(now);
    diff->same_process = old && new &&dump_same_image(old, new);
    diff->reversed = diff->same_process && new->process.dump_time < old->process.dump_time;
    if (diff->same_process && new->process.dump_time > old->process.dump_time)
        diff->apart = new->process.dump_time - old->process.dump_time;
    add_all(&table, before, false);
    add_all(&table, now, true);
    diff->sites = memory_get(HASH_COUNT(table), sizeof *diff->sites);
    struct entry *entry = table;
    HASH_CLEAR(hh, table); /* the list goes on to be one */
    while (entry) {
        struct entry *next = entry->hh.next;
        struct diff_site *d = &diff->sites[diff->count++];
        *d = entry->diff;
        weigh(d, diff->same_process);
        diff->grown += d->least > 0;
        diff->shrunk += d->least < 0;
        if (d->least > 0) diff->grown_bytes += d->bytes;
        if (d->least < 0) diff->shrunk_bytes -= d->bytes;
        free(entry->key);
        free(entry);
        entry = next;
    }
    if (diff->count) qsort(diff->sites, diff->count, sizeof *diff->sites, compare);
}

void diff_free(struct diff *diff) {
    free(diff->sites);
}
