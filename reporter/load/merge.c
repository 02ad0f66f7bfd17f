/* Merging dumps; see merge.h for the rules. */
#include "reporter/load/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/jit.h"
#include "reporter/load/marks.h"
#include "reporter/load/memory.h"
#include "reporter/load/progress.h"
#include "reporter/load/sums.h"

static void add_reasons(struct merged *merged, const struct dump *dump) {
    merged->reasons = memory_more(merged->reasons, &merged->reason_capacity, merged->reason_count + dump->problem_count,
                                  sizeof *merged->reasons);
    for (size_t i = 0; i < dump->problem_count; i++)
        merged->reasons[merged->reason_count++] = memory_format("%s: %s", dump->path, dump->problems[i]);
}

void merged_add(struct merged *merged, struct dump *dump) {
    add_reasons(merged, dump);
    if (!dump->usable) {
        dump_close(dump);
        return;
    }
    merged->parts = memory_more(merged->parts, &merged->part_capacity, merged->part_count + 1, sizeof *merged->parts);
    merged->parts[merged->part_count++].dump = dump;
}

/* The same file is the same module in every process; code of no module is nobody else's. */
static char *module_key(const struct merged_module *module) {
    if (module->jit || module->lost)
        return memory_format("%u:%u:%llx:%u", module->jit, module->dump->process.pid,
                             (unsigned long long)module->dump->process.start_realtime, module->index);
    char hex[2 * DUMP_BUILD_ID_MAX + 1] = "";
    for (uint32_t i = 0; i < module->build_id_length; i++)
        (void)snprintf(hex + (size_t)i * 2, 3, "%02x", module->build_id[i]);
    if (hex[0]) return memory_format("id:%s", hex);
    return memory_format("path:%llx:%.*s", (unsigned long long)module->fingerprint, (int)module->path.length,
                         module->path.bytes);
}

static size_t module_of(struct merged *merged, const struct dump *dump, uint32_t index) {
    struct merged_module fresh = {.dump = dump, .index = index, .path = {"", 0}};
    fresh.jit = index == DUMP_NO_MODULE;
    fresh.lost = !fresh.jit && index >= dump_count(dump, DUMP_MODULES);
    if (!fresh.jit && !fresh.lost) {
        const struct dump_module *module = &dump_modules(dump)[index];
        fresh.path = dump_text(dump, module->path);
        fresh.build_id_length = module->build_id_length;
        fresh.flags = module->flags;
        fresh.fingerprint = module->fingerprint;
        memcpy(fresh.build_id, module->build_id, module->build_id_length);
    }
    fresh.key = module_key(&fresh);
    struct merged_module *found = NULL;
    HASH_FIND_STR(merged->module_table, fresh.key, found);
    if (found) {
        free(fresh.key);
        return found->number;
    }
    found = memory_get(1, sizeof *found);
    *found = fresh;
    found->number = merged->module_count;
    merged->modules = memory_more(merged->modules, &merged->module_capacity, merged->module_count + 1, sizeof(void *));
    merged->modules[merged->module_count++] = found;
    HASH_ADD_KEYPTR(hh, merged->module_table, found->key, strlen(found->key), found);
    return found->number;
}

uint32_t merged_module_of(struct merged *merged, const struct dump *dump, uint32_t index) {
    return (uint32_t)module_of(merged, dump, index);
}

static uint32_t translate(struct merged *merged, const struct dump *dump, struct translation *known, uint32_t index) {
    if (index >= known->count) return (uint32_t)module_of(merged, dump, index);
    if (!known->number[index]) known->number[index] = (uint32_t)module_of(merged, dump, index) + 1;
    return known->number[index] - 1;
}

/* `frames` has room for one more, which tells verdicts, and blocks from pools' parts, apart: it is no frame. */
static struct merged_site *site_with(struct merged *merged, struct merged_frame *frames, uint32_t count,
                                     enum dump_verdict verdict, bool pool) {
    struct merged_site *site = NULL;
    size_t key = (count + (size_t)1) * sizeof *frames;
    frames[count] = (struct merged_frame){verdict, UINT32_MAX, pool};
    HASH_FIND(hh, merged->site_table, frames, key, site);
    if (site) return site;
    site = memory_get(1, sizeof *site);
    site->frames = memory_get(count + (size_t)1, sizeof *frames);
    memcpy(site->frames, frames, key);
    site->frame_count = count;
    site->verdict = verdict;
    site->pool = pool;
    site->newest_age = UINT64_MAX;
    merged->sites = memory_more(merged->sites, &merged->site_capacity, merged->site_count + 1, sizeof(void *));
    merged->sites[merged->site_count++] = site;
    HASH_ADD_KEYPTR(hh, merged->site_table, site->frames, key, site);
    return site;
}

uint32_t merged_frames(struct merged *merged, const struct dump *dump, struct translation *known, uint32_t id,
                       struct merged_frame *frames) {
    const struct dump_stack *stack = id < dump_count(dump, DUMP_STACKS) ? &dump_stacks(dump)[id] : NULL;
    if (!stack || !dump_has(dump, DUMP_FRAMES)) return 0;
    for (uint32_t i = 0; i < stack->frames; i++) {
        uint64_t frame = dump_frames(dump)[stack->first_frame + i];
        frames[i].offset = DUMP_FRAME_OFFSET(frame);
        frames[i].module = translate(merged, dump, known, DUMP_FRAME_MODULE(frame));
        frames[i].exact = i < 64 && (stack->exact >> i & 1);
        if (DUMP_FRAME_MODULE(frame) == DUMP_NO_MODULE) jit_settle(merged, dump, &frames[i]);
    }
    return stack->frames;
}

static struct merged_site *site_of(struct merged *merged, const struct dump *dump, struct translation *known,
                                   uint32_t id, enum dump_verdict verdict, bool pool) {
    static struct merged_frame frames[MERGED_FRAMES_MAX + 1];
    struct merged_site *site = site_with(merged, frames, merged_frames(merged, dump, known, id, frames), verdict, pool);
    site->flags |= id < dump_count(dump, DUMP_STACKS) ? dump_stacks(dump)[id].flags : DUMP_STACK_NONE;
    return site;
}
struct merged_site *merged_site_of(struct merged *merged, const struct dump *dump, struct translation *known,
                                   uint32_t id, enum dump_verdict verdict) {
    return site_of(merged, dump, known, id, verdict, false);
}
struct merged_site *merged_pool_of(struct merged *merged, const struct dump *dump, struct translation *known,
                                   uint32_t id, enum dump_verdict verdict) {
    return site_of(merged, dump, known, id, verdict, true);
}

#define THREADS_MOST 4096 /* of one site */

/* A thread may have made blocks at several stacks of a site: of code that was compiled again. */
void merged_add_thread(struct merged_site *site, const struct dump *dump, uint32_t thread, uint64_t blocks) {
    size_t i = 0;
    while (i < site->thread_count && (site->threads[i].dump != dump || site->threads[i].thread != thread)) i++;
    if (i == THREADS_MOST) {
        add_to(&site->more_thread_blocks, blocks);
        return;
    }
    if (i < site->thread_count && site->thread_total) site->thread_total--; /* counted before */
    if (i == site->thread_count) site->threads[site->thread_count++] = (struct site_thread){dump, thread, 0};
    add_to(&site->threads[i].blocks, blocks);
}

static void add_threads(struct merged_site *site, const struct dump *dump, const struct block_summary *summary) {
    if (!summary) return;
    sizes_join(&site->sizes, &summary->detail->sizes);
    if (!site->threads) { /* mostly that is all: no room for more */
        site->threads = memory_get(summary->threads, sizeof *site->threads);
        site->thread_capacity = summary->threads;
    }
    site->threads = memory_more(site->threads, &site->thread_capacity, site->thread_count + summary->threads,
                                sizeof *site->threads);
    for (uint32_t i = 0; i < summary->threads; i++)
        merged_add_thread(site, dump, summary->detail->thread[i].thread, summary->detail->thread[i].blocks);
    add_to(&site->more_thread_blocks, summary->more_threads);
    for (uint32_t i = 0; i < SUMMARY_MARKS && summary->detail->marked[i].mark; i++)
        marks_count(site, dump, summary->detail->marked[i].mark, summary->detail->marked[i].blocks);
    marks_count(site, dump, 0, summary->more_marks);
}

/* Where the blocks were lost, nothing is known of what they stood for. */
static void add_samples(struct merged *merged, struct merged_site *site, const struct dump_site *from,
                        const struct block_summary *summary) {
    struct samples blocks = {.seen = (double)from->blocks}, bytes = {.seen = (double)from->bytes};
    if (!summary && from->weight > 1) {
        blocks = samples_alike(from->blocks, 1, from->weight);
        bytes = samples_alike(from->blocks, (double)from->bytes / (double)from->blocks, from->weight);
    }
    if (summary) {
        blocks = summary->block_samples;
        bytes = summary->byte_samples;
        samples_join(&site->later_samples, &summary->later_samples);
        ages_join(&site->ages, &summary->detail->ages);
    }
    samples_join(&site->block_samples, &blocks);
    samples_join(&site->byte_samples, &bytes);
    samples_join(&merged->block_samples, &blocks);
    samples_join(&merged->byte_samples, &bytes);
}

static void add_site(struct merged *merged, size_t number, struct translation *known, const struct dump_site *from,
                     const struct block_summary *summary) {
    struct part *part = &merged->parts[number];
    const struct dump *dump = part->dump;
    enum dump_verdict verdict = summary ? summary->verdict : DUMP_UNKNOWN;
    struct merged_site *site = merged_site_of(merged, dump, known, from->stack, verdict);
    add_to(&site->blocks, from->blocks);
    add_to(&site->bytes, from->bytes);
    add_to(&site->pinned, from->pinned);
    add_to(&site->inherited_blocks, from->inherited_blocks);
    add_to(&site->inherited_bytes, from->inherited_bytes);
    add_to(&merged->inherited_blocks, from->inherited_blocks);
    add_to(&merged->inherited_bytes, from->inherited_bytes);
    if (!from->blocks) return;
    add_samples(merged, site, from, summary);
    add_to(&site->thread_total, from->threads);
    if (from->oldest && dump_age(dump, from->oldest) > site->oldest_age)
        site->oldest_age = dump_age(dump, from->oldest);
    if (from->newest && dump_age(dump, from->newest) < site->newest_age)
        site->newest_age = dump_age(dump, from->newest);
    add_threads(site, dump, summary);
    merged_count_part(site, number, from->blocks, from->bytes);
    part->sites++;
    add_to(&part->blocks, from->blocks);
    add_to(&part->bytes, from->bytes);
    add_to(&merged->blocks, from->blocks);
    add_to(&merged->bytes, from->bytes);
}

static void add_mapping(struct merged *merged, const struct dump *dump, struct translation *known,
                        const struct dump_mapping *from) {
    if (from->time < dump->since) return;
    struct merged_site *site = merged_site_of(merged, dump, known, from->stack, DUMP_UNKNOWN);
    add_to(&site->mappings, 1);
    add_to(&site->mapped, from->charged);
    if (dump_age(dump, from->time) > site->mapped_age) site->mapped_age = dump_age(dump, from->time);
}

/* Where the sites were lost but the blocks were not, the blocks say the same. */
static struct dump_site site_from_blocks(const struct block_summary *summary) {
    return (struct dump_site){.stack = summary->stack,
                              .threads = summary->threads,
                              .blocks = summary->blocks,
                              .bytes = summary->bytes,
                              .oldest = summary->oldest,
                              .newest = summary->newest,
                              .inherited_blocks = summary->inherited_blocks,
                              .inherited_bytes = summary->inherited_bytes};
}

static struct merged_refusal refusal_of(struct merged *merged, const struct dump *dump, struct translation *known,
                                        const struct dump_refusal *from) {
    static struct merged_frame frames[MERGED_FRAMES_MAX];
    struct merged_refusal refusal = {.dump = dump, .refusal = from};
    if (from->stack) {
        refusal.frame_count = merged_frames(merged, dump, known, from->stack, frames);
        if (refusal.frame_count) refusal.flags = dump_stacks(dump)[from->stack].flags;
    }
    if (!refusal.frame_count && DUMP_FRAME_OFFSET(from->frame)) {
        uint32_t module = translate(merged, dump, known, DUMP_FRAME_MODULE(from->frame));
        frames[0] = (struct merged_frame){DUMP_FRAME_OFFSET(from->frame), module, 0};
        refusal.frame_count = 1;
    }
    refusal.frames = memory_get(refusal.frame_count, sizeof *frames);
    if (refusal.frame_count) memcpy(refusal.frames, frames, refusal.frame_count * sizeof *frames);
    return refusal;
}

static void add_refusals(struct merged *merged, const struct dump *dump, struct translation *known) {
    size_t count = (size_t)dump_count(dump, DUMP_REFUSALS);
    merged->refusals = memory_more(merged->refusals, &merged->refusal_capacity, merged->refusal_count + count,
                                   sizeof *merged->refusals);
    for (size_t i = 0; i < count; i++)
        merged->refusals[merged->refusal_count++] = refusal_of(merged, dump, known, &dump_refusals(dump)[i]);
}

/* What was counted as a whole. */
static void add_inherited(struct merged *merged, const struct dump *dump) {
    uint64_t blocks = 0, bytes = 0;
    bool known = dump_stat(dump, STAT_INHERITED, &blocks) || dump->process.reason != DUMP_LEFT;
    if (!known && dump->process.fork_time) merged->inherited_unknown = true;
    (void)dump_stat(dump, STAT_INHERITED_BYTES, &bytes);
    if (!bytes) return;
    merged->forked_from = merged->inherited_bytes == 0 || merged->forked_from == dump->process.forked_from
                              ? dump->process.forked_from
                              : 0;
    add_to(&merged->inherited_blocks, blocks);
    add_to(&merged->inherited_bytes, bytes);
}

/* What pins a slab is of all blocks of a stack. */
static void add_pinned(struct merged *merged, const struct dump *dump, struct translation *known,
                       const struct dump_site *from) {
    if (from->pinned)
        add_to(&merged_site_of(merged, dump, known, from->stack, dump_main_verdict(dump, from->stack))->pinned,
               from->pinned);
}

static void add_sites(struct merged *merged, size_t number, struct translation *known) {
    const struct dump *dump = merged->parts[number].dump;
    bool judged = dump_is_judged(dump), limited = dump->limited;
    bool by_block = judged || limited || !dump_has(dump, DUMP_SITES);
    merged->judged = merged->judged || judged;
    for (size_t i = 0; by_block && i < dump->summary_count; i++) {
        struct dump_site site = site_from_blocks(&dump->summaries[i]);
        add_site(merged, number, known, &site, &dump->summaries[i]);
        dump_forget_detail(&dump->summaries[i]);
    }
    for (uint64_t i = 0; i < dump_count(dump, DUMP_SITES) && !limited; i++) {
        const struct dump_site *site = &dump_sites(dump)[i];
        if (by_block)
            add_pinned(merged, dump, known, site);
        else
            add_site(merged, number, known, site, dump_summary(dump, site->stack));
    }
}

static void add_part(struct merged *merged, size_t number) {
    const struct dump *dump = merged->parts[number].dump;
    struct translation known = {.count = (size_t)dump_count(dump, DUMP_MODULES)};
    known.number = memory_get(known.count, sizeof *known.number);
    add_sites(merged, number, &known);
    for (uint64_t i = 0; i < dump_count(dump, DUMP_MAPPINGS); i++)
        add_mapping(merged, dump, &known, &dump_mappings(dump)[i]);
    merged->sampled = merged->sampled || dump_is_sampled(dump);
    merged_add_pools(merged, number, &known);
    merged_add_paths(merged, dump, &known);
    if (!dump->limited) { /* of these it is not known when their blocks were made */
        merged_add_totals(merged, dump, &known);
        add_inherited(merged, dump);
        merged_add_growths(merged, dump, &known);
        merged_add_records(merged, dump, &known);
    }
    add_refusals(merged, dump, &known);
    merged_add_ends(merged, dump, &known);
    free(known.number);
}

static int descending(uint64_t a, uint64_t b) {
    return a < b ? 1 : a > b ? -1 : 0;
}

static int compare_threads(const void *left, const void *right) {
    const struct site_thread *a = left, *b = right;
    int result = descending(a->blocks, b->blocks);
    return result ? result : descending(b->thread, a->thread);
}

/* Equal sites are told apart by their frames, so that the same dump always gives the same report. */
static int compare_frames(const struct merged_site *a, const struct merged_site *b) {
    uint32_t least = a->frame_count < b->frame_count ? a->frame_count : b->frame_count;
    for (uint32_t i = 0; i < least; i++) {
        if (a->frames[i].module != b->frames[i].module) return a->frames[i].module < b->frames[i].module ? -1 : 1;
        if (a->frames[i].offset != b->frames[i].offset) return a->frames[i].offset < b->frames[i].offset ? -1 : 1;
    }
    return a->frame_count < b->frame_count ? -1 : a->frame_count > b->frame_count;
}

static int compare_mappers(const void *left, const void *right) {
    const struct merged_site *a = *(struct merged_site *const *)left, *b = *(struct merged_site *const *)right;
    int result = descending(a->mapped, b->mapped);
    if (!result) result = descending(a->mappings, b->mappings);
    return result ? result : compare_frames(a, b);
}

/* By what they mapped, whatever the order of the sites. */
static void list_mappers(struct merged *merged) {
    merged->mappers = memory_get(merged->site_count, sizeof(void *));
    for (size_t i = 0; i < merged->site_count; i++)
        if (merged->sites[i]->mappings) merged->mappers[merged->mapper_count++] = merged->sites[i];
    if (merged->mapper_count) qsort(merged->mappers, merged->mapper_count, sizeof(void *), compare_mappers);
}

void merged_sum(struct merged *merged) {
    merged->leaked_samples = merged->possible_samples = (struct samples){0};
    merged->leaked_sites = merged->possible_sites = merged->suppressed_sites = 0;
    for (size_t i = 0; i < merged->site_count; i++) {
        struct merged_site *site = merged->sites[i];
        merged->suppressed_sites += site->suppressed;
        if (site->blocks == 0 || site->suppressed) continue;
        if (site->verdict == DUMP_LEAKED || site->verdict == DUMP_INDIRECT) {
            merged->leaked_sites++;
            samples_join(&merged->leaked_samples, &site->byte_samples);
        } else if (site->verdict == DUMP_POSSIBLE) {
            merged->possible_sites++;
            samples_join(&merged->possible_samples, &site->byte_samples);
        }
    }
    merged->leaked = samples_estimate(&merged->leaked_samples);
    merged->possible = samples_estimate(&merged->possible_samples);
}

void merged_build(struct merged *merged) {
    merged_mark_older(merged);
    for (size_t i = 0; i < merged->part_count; i++) {
        progress_show("merging", i, merged->part_count);
        if (!merged->parts[i].older) add_part(merged, i);
    }
    for (size_t i = 0; i < merged->site_count; i++) {
        struct merged_site *site = merged->sites[i];
        merged->live_sites += site->blocks > 0;
        if (site->newest_age == UINT64_MAX) site->oldest_age = UINT64_MAX; /* of none of its blocks it is known */
        site->all_blocks = samples_estimate(&site->block_samples);
        site->all_bytes = samples_estimate(&site->byte_samples);
        merged_sort_growths(site);
        if (site->thread_count) qsort(site->threads, site->thread_count, sizeof *site->threads, compare_threads);
    }
    merged->all_blocks = samples_estimate(&merged->block_samples);
    merged->all_bytes = samples_estimate(&merged->byte_samples);
    list_mappers(merged);
    merged_sum(merged);
    merged_find_doubts(merged);
}

static int lower(const struct estimate *a, const struct estimate *b) {
    if (a->low != b->low) return a->low < b->low ? 1 : -1;
    return a->value < b->value ? 1 : a->value > b->value ? -1 : 0;
}

/* What is worse comes first. */
static int rank(const struct merged_site *site) {
    static const int ranks[] = {
        [DUMP_LEAKED] = 0, [DUMP_INDIRECT] = 1, [DUMP_POSSIBLE] = 2, [DUMP_UNKNOWN] = 3, [DUMP_IN_USE] = 4};
    return site->suppressed ? 5 : ranks[site->verdict];
}

static int compare_sites(const void *left, const void *right, void *order) {
    const struct merged_site *a = *(struct merged_site *const *)left, *b = *(struct merged_site *const *)right;
    int result = descending(a->blocks > 0, b->blocks > 0);
    if (!result && *(enum merged_order *)order != BY_PINNED) result = rank(a) - rank(b);
    if (!result && *(enum merged_order *)order == BY_BLOCKS) result = lower(&a->all_blocks, &b->all_blocks);
    if (!result && *(enum merged_order *)order == BY_AGE) result = descending(a->oldest_age, b->oldest_age);
    if (!result && *(enum merged_order *)order == BY_PINNED) result = descending(a->pinned, b->pinned);
    if (!result) result = lower(&a->all_bytes, &b->all_bytes);
    if (!result) result = lower(&a->all_blocks, &b->all_blocks);
    return result ? result : compare_frames(a, b);
}

void merged_sort(struct merged *merged, enum merged_order order) {
    if (merged->site_count) qsort_r(merged->sites, merged->site_count, sizeof(void *), compare_sites, &order);
    for (size_t i = 0; i < merged->site_count; i++) merged->sites[i]->id = i + 1;
}

void merged_free(struct merged *merged) {
    jit_forget(merged);
    HASH_CLEAR(hh, merged->site_table);
    HASH_CLEAR(hh, merged->module_table);
    for (size_t i = 0; i < merged->site_count; i++) {
        free(merged->sites[i]->frames);
        free(merged->sites[i]->threads);
        free(merged->sites[i]->by_part);
        free(merged->sites[i]->marks);
        for (size_t j = 0; j < merged->sites[i]->growth_count; j++) free(merged->sites[i]->growths[j].frames);
        free(merged->sites[i]->growths);
        merged_free_records(merged->sites[i]);
        free(merged->sites[i]);
    }
    for (size_t i = 0; i < merged->module_count; i++) {
        free(merged->modules[i]->key);
        free(merged->modules[i]);
    }
    for (size_t i = 0; i < merged->part_count; i++) dump_close(merged->parts[i].dump);
    for (size_t i = 0; i < merged->reason_count; i++) free(merged->reasons[i]);
    for (size_t i = 0; i < merged->doubt_count; i++) free(merged->doubts[i]);
    free(merged->doubts);
    free(merged->reasons);
    for (size_t i = 0; i < merged->refusal_count; i++) free(merged->refusals[i].frames);
    free(merged->refusals);
    merged_free_ends(merged);
    free(merged->parts);
    free(merged->modules);
    free(merged->sites);
    free(merged->mappers);
}
