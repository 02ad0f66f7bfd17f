/* The report as one JSON object. The names are a promise: members may be added, none is renamed or removed. What is not
 * known is null, never a made-up number. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/load/signals.h"
#include "reporter/view/ends.h"
#include "reporter/view/frames.h"
#include "reporter/view/growth.h"
#include "reporter/view/json_stack.h"
#include "reporter/view/units.h"
#include "reporter/view/view.h"

static void put_arguments(struct json *json, struct text line) {
    json_open(json, "arguments", '[');
    for (size_t start = 0, i = 0; i < line.length; i++) {
        if (line.bytes[i] && i + 1 < line.length) continue;
        size_t end = line.bytes[i] ? i + 1 : i;
        json_text(json, NULL, (struct text){line.bytes + start, end - start});
        start = i + 1;
    }
    json_close(json, ']');
}

static void put_process(struct json *json, const struct dump *dump) {
    const struct dump_process *process = &dump->process;
    json_open(json, "process", '{');
    json_text(json, "name", dump_text(dump, process->name));
    json_number(json, "pid", process->pid);
    json_word(json, "level", view_level(process->level));
    json_seconds(json, "uptime_seconds", view_uptime(dump));
    json_known(json, "exit_status", process->exit_status != DUMP_STATUS_UNKNOWN, process->exit_status);
    json_word(json, "killed_by", process->killed_by ? signal_name((int)process->killed_by) : NULL);
    json_number(json, "parent_pid", process->parent_pid);
    json_known(json, "forked_from", process->forked_from != 0, process->forked_from);
    json_word(json, "dumped_at", view_reason(process->reason));
    json_number(json, "number", process->number);
    json_text(json, "executable", dump_text(dump, process->exe));
    put_arguments(json, dump_text(dump, process->command_line));
    json_close(json, '}');
}

static void put_sum(struct json *json, const struct merged *merged, const char *name, uint32_t stat) {
    uint64_t sum = 0, highest = 0;
    bool known = merged_stat(merged, stat, &sum, &highest);
    json_known(json, name, known, sum);
}

/* The ceiling is each process's own: over several it is a number only where all have the same. */
static void put_max(struct json *json, const struct merged *merged) {
    uint64_t max = view_first(merged)->dump->process.max_direct;
    bool same = max != 0;
    for (size_t i = 0; i < merged->part_count; i++)
        same = same && (merged->parts[i].older || merged->parts[i].dump->process.max_direct == max);
    json_known(json, "max", same, max);
}

static void put_highest(struct json *json, const struct merged *merged, const char *name, uint32_t stat) {
    uint64_t sum = 0, highest = 0;
    bool known = merged_stat(merged, stat, &sum, &highest);
    json_known(json, name, known, highest);
}

static void put_pools(struct json *json, const struct merged *merged) {
    json_open(json, "direct", '{');
    put_sum(json, merged, "count", STAT_DIRECT_COUNT);
    put_sum(json, merged, "allocations", STAT_ALLOCATIONS);
    put_sum(json, merged, "frees", STAT_FREES);
    put_sum(json, merged, "total_capacity", STAT_DIRECT_CAPACITY);
    put_sum(json, merged, "memory_used", STAT_DIRECT_USED);
    put_highest(json, merged, "peak", STAT_DIRECT_PEAK);
    const struct dump *dump = view_first(merged)->dump;
    uint64_t peak_time = 0; /* of one process only */
    bool has_time = merged->counted == 1 && dump_stat(dump, STAT_DIRECT_PEAK_TIME, &peak_time);
    uint64_t peak_age = peak_time > dump->process.start_time ? dump->process.dump_time - peak_time : view_uptime(dump);
    if (has_time && peak_time <= dump->process.dump_time)
        json_seconds(json, "peak_age_seconds", peak_age);
    else
        json_word(json, "peak_age_seconds", NULL);
    put_max(json, merged);
    put_sum(json, merged, "refused", STAT_DIRECT_REFUSED);
    put_sum(json, merged, "collected", STAT_COLLECTED);
    put_sum(json, merged, "collected_bytes", STAT_COLLECTED_BYTES);
    put_sum(json, merged, "refused_bytes", STAT_REFUSED_BYTES);
    put_sum(json, merged, "high_crossings", STAT_HIGH_CROSSINGS);
    put_sum(json, merged, "low_crossings", STAT_LOW_CROSSINGS);
    put_sum(json, merged, "cached", STAT_CACHED);
    put_sum(json, merged, "tables", STAT_TABLES);
    put_sum(json, merged, "mappings", STAT_ANONYMOUS_COUNT);
    put_sum(json, merged, "mappings_used", STAT_ANONYMOUS_USED);
    put_sum(json, merged, "reserved", STAT_ANONYMOUS_RESERVED);
    json_close(json, '}');
    json_open(json, "mapped", '{');
    put_sum(json, merged, "count", STAT_MAPPED_COUNT);
    put_sum(json, merged, "total_capacity", STAT_MAPPED_CAPACITY);
    put_sum(json, merged, "memory_used", STAT_MAPPED_USED);
    put_highest(json, merged, "peak", STAT_MAPPED_PEAK);
    json_word(json, "max", NULL);
    json_word(json, "refused", NULL);
    json_close(json, '}');
}

static void put_memory(struct json *json, const struct merged *merged) {
    struct memory_sum sum;
    bool known = view_sum_memory(merged, &sum);
    json_open(json, "memory", '{');
    json_open(json, "rows", '[');
    for (uint32_t kind = 1; known && kind < MEMORY_KINDS; kind++) {
        json_open(json, NULL, '{');
        json_word(json, "kind", view_memory_kinds[kind]);
        json_known(json, "resident", sum.has_kernel, sum.rows[kind].resident);
        json_number(json, "charged", sum.rows[kind].charged);
        json_number(json, "parts", sum.rows[kind].count);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_known(json, "resident", known && sum.has_kernel, sum.all.resident);
    json_known(json, "resident_by_kernel", known && sum.has_kernel, sum.kernel);
    json_known(json, "charged", known, sum.all.charged);
    json_known(json, "charged_by_counter", known && sum.has_used, sum.used);
    json_close(json, '}');
}

static void put_classes(struct json *json, const struct dump *dump) {
    json_open(json, "classes", '[');
    for (uint64_t i = 0; i < dump_count(dump, DUMP_CLASSES); i++) {
        const struct dump_class *class = &dump_classes(dump)[i];
        json_open(json, NULL, '{');
        json_known(json, "size", class->size != 0, class->size);
        json_number(json, "slabs", class->slabs);
        json_number(json, "live", class->live);
        json_number(json, "allocations", class->made);
        json_number(json, "frees", class->made > class->live ? class->made - class->live : 0);
        json_number(json, "places", class->capacity);
        json_number(json, "committed", class->committed);
        json_open(json, "occupancy", '[');
        for (int j = 0; j < DUMP_OCCUPANCIES; j++) json_number(json, NULL, class->occupancy[j]);
        json_close(json, ']');
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void put_growths(struct json *json, const struct view *view, const struct merged_site *site) {
    json_open(json, "grown", '[');
    for (size_t i = 0; i < site->growth_count; i++) {
        const struct merged_growth *growth = &site->growths[i];
        json_open(json, NULL, '{');
        json_number(json, "blocks", growth->blocks);
        json_number(json, "bytes", growth->bytes);
        json_seconds(json, "oldest_seconds", growth->oldest_age);
        json_seconds(json, "newest_seconds", growth->newest_age);
        json_stack(json, view, growth->frames, growth->frame_count, growth->flags);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void put_record(struct json *json, const struct view *view, const struct merged_site *site,
                       const struct merged_record *from) {
    const struct dump_record *record = from->record;
    struct text hint = dump_text(site->record_dump, record->hint);
    char *what = view_what(record);
    json_open(json, NULL, '{');
    if (hint.length)
        json_text(json, "what", hint);
    else
        json_word(json, "what", what);
    json_word(json, "call", view_record(record->kind));
    json_known(json, "fd", record->fd >= 0, (uint64_t)record->fd);
    json_number(json, "number", record->number);
    json_seconds(json, "age_seconds", from->age);
    json_number(json, "thread", record->thread);
    json_stack(json, view, from->frames, from->frame_count, from->flags);
    json_close(json, '}');
    free(what);
}

static void put_records(struct json *json, const struct view *view, const struct merged_site *site) {
    char address[24];
    json_open(json, "records", '[');
    for (size_t i = 0; i < site->record_count; i++) put_record(json, view, site, &site->records[i]);
    json_close(json, ']');
    if (!site->record_count) return;
    (void)snprintf(address, sizeof address, "0x%llx", (unsigned long long)site->records[0].record->address);
    json_word(json, "records_block", address);
    json_number(json, "records_discarded", site->record_discarded);
    json_number(json, "records_blocks", site->record_blocks);
}

static void put_threads(struct json *json, const struct merged_site *site) {
    json_open(json, "threads", '[');
    for (size_t i = 0; i < site->thread_count; i++) {
        const struct site_thread *thread = &site->threads[i];
        json_open(json, NULL, '{');
        json_number(json, "thread", thread->thread);
        json_number(json, "pid", thread->dump->process.pid);
        json_text(json, "name", dump_thread_name(thread->dump, thread->thread));
        json_number(json, "blocks", thread->blocks);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_number(json, "thread_count", site->thread_total);
}

/* Estimates, with their ranges, where blocks were drawn; else what is exact. */
static void put_amounts(struct json *json, const struct merged *merged, const struct estimate *bytes,
                        const struct estimate *blocks, uint64_t samples) {
    json_number(json, "bytes", units_whole(bytes->value));
    json_number(json, "blocks", units_whole(blocks->value));
    if (!merged->sampled) return;
    json_number(json, "bytes_low", units_whole(floor(bytes->low)));
    json_number(json, "bytes_high", units_whole(ceil(bytes->high)));
    json_number(json, "blocks_low", units_whole(floor(blocks->low)));
    json_number(json, "blocks_high", units_whole(ceil(blocks->high)));
    json_number(json, "samples", samples);
}

/* What was ever made; null where that was not counted. */
static void put_ever(struct json *json, const char *name, const struct merged_totals *ever) {
    if (!ever->samples) {
        json_word(json, name, NULL);
        return;
    }
    json_open(json, name, '{');
    json_number(json, "allocations", units_whole(ever->allocations));
    json_number(json, "bytes", units_whole(ever->bytes));
    json_number(json, "frees", units_whole(ever->frees));
    json_number(json, "freed_bytes", units_whole(ever->freed_bytes));
    json_number(json, "temporary", units_whole(ever->temporary));
    json_number(json, "peak_blocks", units_whole(ever->peak_blocks));
    json_number(json, "peak_bytes", units_whole(ever->peak_bytes));
    json_number(json, "samples", ever->samples);
    json_open(json, "lifetimes", '[');
    for (size_t i = 0; i < DUMP_LIFETIMES; i++) json_number(json, NULL, ever->lifetimes[i]);
    json_close(json, ']');
    json_close(json, '}');
}

static void put_site_name(struct json *json, const struct view *view, const struct merged_site *site) {
    struct site_name name = naming_of(view->symbols, view->merged, site);
    char *address = name.frame ? frames_address(view, name.frame) : NULL;
    json_word(json, "name", name.symbol.brief ? name.symbol.brief : address);
    free(address);
}

static void put_site(struct json *json, const struct view *view, const struct merged_site *site) {
    json_open(json, NULL, '{');
    json_number(json, "id", site->id);
    put_site_name(json, view, site);
    json_word(json, "verdict", view_verdict(site->verdict));
    json_bool(json, "indirect", site->verdict == DUMP_INDIRECT);
    json_bool(json, "suppressed", site->suppressed);
    json_bool(json, "pool", site->pool);
    put_amounts(json, view->merged, &site->all_bytes, &site->all_blocks, site->blocks);
    json_number(json, "pinned", site->pinned);
    json_known(json, "smallest", site->sizes.count, site->sizes.smallest);
    json_known(json, "largest", site->sizes.count, site->sizes.largest);
    json_known(json, "sizes", site->sizes.count && !site->sizes.more, site->sizes.count);
    json_seconds(json, "oldest_seconds", site->oldest_age);
    json_seconds(json, "newest_seconds", site->newest_age);
    growth_json(json, site);
    json_number(json, "parts", site->parts);
    put_ever(json, "ever", &site->ever);
    put_threads(json, site);
    json_stack(json, view, site->frames, site->frame_count, site->flags);
    put_growths(json, view, site);
    put_records(json, view, site);
    json_close(json, '}');
}

static void put_mappers(struct json *json, const struct view *view) {
    const struct merged *merged = view->merged;
    json_open(json, "mappings", '[');
    for (size_t i = 0; i < merged->mapper_count && i < view->options.rows; i++) {
        const struct merged_site *site = merged->mappers[i];
        json_open(json, NULL, '{');
        put_site_name(json, view, site);
        json_number(json, "bytes", site->mapped);
        json_number(json, "mappings", site->mappings);
        json_seconds(json, "oldest_seconds", site->mapped_age);
        json_stack(json, view, site->frames, site->frame_count, site->flags);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void put_refusal(struct json *json, const struct view *view, const struct merged_refusal *from) {
    const struct dump_refusal *refusal = from->refusal;
    uint64_t now = from->dump->process.dump_time;
    json_open(json, NULL, '{');
    json_number(json, "pid", from->dump->process.pid);
    json_seconds(json, "age_seconds", refusal->time < now ? now - refusal->time : 0);
    json_word(json, "operation", view_operation(refusal->operation));
    json_number(json, "requested", refusal->requested);
    json_known(json, "committed", refusal->committed, refusal->committed);
    json_number(json, "used", refusal->used);
    json_number(json, "max", refusal->max);
    json_number(json, "thread", refusal->thread);
    json_stack(json, view, from->frames, from->frame_count, from->flags);
    json_close(json, '}');
}

static void put_refusals(struct json *json, const struct view *view) {
    json_open(json, "refusals", '[');
    for (size_t i = 0; i < view->merged->refusal_count; i++) put_refusal(json, view, &view->merged->refusals[i]);
    json_close(json, ']');
}

/* What no core of these has of what may lead to blocks. */
static void put_lacks(struct json *json, const struct merged *merged) {
    char *why = NULL;
    for (size_t i = 0; i < merged->part_count && !why; i++) why = dump_lacks(merged->parts[i].dump);
    json_word(json, "lacks", why);
    free(why);
}

/* Of all live blocks, tracked or not: exact; null where they were not judged. */
static void put_verdicts(struct json *json, const struct merged *merged) {
    static const struct {
        const char *name;
        uint32_t blocks, bytes;
    } verdicts[] = {{"leaked", STAT_LEAKED_COUNT, STAT_LEAKED_BYTES},
                    {"leaked_indirectly", STAT_INDIRECT_COUNT, STAT_INDIRECT_BYTES},
                    {"possible", STAT_POSSIBLE_COUNT, STAT_POSSIBLE_BYTES},
                    {"in_use", STAT_REACHED_COUNT, STAT_REACHED_BYTES}};
    json_open(json, "verdicts", '{');
    json_bool(json, "judged", merged->judged && merged_all_judged(merged));
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        json_open(json, verdicts[i].name, '{');
        put_sum(json, merged, "blocks", verdicts[i].blocks);
        put_sum(json, merged, "bytes", verdicts[i].bytes);
        json_close(json, '}');
    }
    put_sum(json, merged, "threads_not_held", STAT_SCAN_NOT_HELD);
    put_lacks(json, merged);
    put_sum(json, merged, "nanoseconds", STAT_SCAN_TIME);
    put_sum(json, merged, "pause_nanoseconds", STAT_SCAN_PAUSE);
    put_sum(json, merged, "compared_nanoseconds", STAT_SCAN_APART);
    put_sum(json, merged, "bytes_of_roots", STAT_SCAN_ROOTS);
    put_sum(json, merged, "bytes_of_blocks", STAT_SCAN_BLOCKS);
    json_close(json, '}');
}

static void put_strings(struct json *json, char *const *lines, size_t count) {
    for (size_t i = 0; i < count; i++) json_word(json, NULL, lines[i]);
}

static void put_parts(struct json *json, const struct merged *merged) {
    json_open(json, "parts", '[');
    for (size_t i = 0; i < merged->part_count; i++) {
        const struct part *part = &merged->parts[i];
        json_open(json, NULL, '{');
        json_word(json, "file", part->dump->path);
        put_process(json, part->dump);
        json_bool(json, "older", part->older);
        json_known(json, "sites", !part->older, part->sites);
        json_known(json, "blocks", !part->older, part->blocks);
        json_known(json, "bytes", !part->older, part->bytes);
        put_classes(json, part->dump);
        json_bool(json, "partial", part->dump->problem_count > 0);
        json_open(json, "reasons", '[');
        put_strings(json, part->dump->problems, part->dump->problem_count);
        json_close(json, ']');
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void put_totals(struct json *json, const struct merged *merged) {
    json_open(json, "totals", '{');
    json_number(json, "sites", merged->live_sites);
    put_amounts(json, merged, &merged->all_bytes, &merged->all_blocks, merged->blocks);
    put_sum(json, merged, "untracked_blocks", STAT_UNTRACKED_LIVE);
    json_known(json, "inherited_blocks", !merged->inherited_unknown, merged->inherited_blocks);
    json_number(json, "inherited_bytes", merged->inherited_bytes);
    json_close(json, '}');
}

/* How blocks were drawn; null where none were. */
static void put_sampling(struct json *json, const struct merged *merged) {
    if (!merged->sampled) {
        json_word(json, "sampling", NULL);
        return;
    }
    json_open(json, "sampling", '{');
    put_highest(json, merged, "bytes", STAT_SAMPLE_BYTES);
    put_highest(json, merged, "blocks", STAT_SAMPLE_BLOCKS);
    put_sum(json, merged, "samples_ever", STAT_SAMPLES);
    put_sum(json, merged, "samples_lost", STAT_SAMPLES_LOST);
    put_highest(json, merged, "thinned", STAT_SAMPLE_THINNED);
    put_sum(json, merged, "places", STAT_PLACES);
    put_sum(json, merged, "sampled_places", STAT_SAMPLED_PLACES);
    json_close(json, '}');
}

static void put_sites(struct json *json, const struct view *view) {
    const struct merged *merged = view->merged;
    size_t count = merged->live_sites;
    struct merged_site **ever = view->options.order >= BY_TOTAL ? view_ever(view, &count) : NULL;
    for (size_t i = 0; i < count && i < view->options.rows; i++)
        put_site(json, view, ever ? ever[i] : merged->sites[i]);
    free(ever);
}

static void put_gate(struct json *json, const struct view_verdict *verdict) {
    if (!verdict) return;
    json_open(json, "gate", '{');
    json_word(json, "result", verdict->result);
    json_number(json, "processes", verdict->processes);
    json_open(json, "reasons", '[');
    put_strings(json, verdict->reasons, verdict->reason_count);
    json_close(json, ']');
    json_close(json, '}');
}

void view_json(const struct view *view) {
    const struct merged *merged = view->merged;
    struct json json = {.out = view->out, .frames = json_frames_new()};
    view_resolve(view, view->options.rows);
    json_open(&json, NULL, '{');
    json_word(&json, "weir", WEIR_VERSION);
    put_gate(&json, view->verdict);
    put_process(&json, view_first(merged)->dump);
    json_number(&json, "processes", merged->counted);
    put_pools(&json, merged);
    put_memory(&json, merged);
    put_totals(&json, merged);
    put_verdicts(&json, merged);
    put_sampling(&json, merged);
    put_ever(&json, "ever", &merged->ever);
    growth_marks_json(&json, merged);
    json_open(&json, "sites", '[');
    put_sites(&json, view);
    json_close(&json, ']');
    put_mappers(&json, view);
    put_refusals(&json, view);
    if (merged->doing_count) ends_json(&json, view);
    put_parts(&json, merged);
    json_bool(&json, "partial", merged->reason_count + merged->doubt_count > 0);
    json_open(&json, "reasons", '[');
    put_strings(&json, merged->reasons, merged->reason_count);
    put_strings(&json, merged->doubts, merged->doubt_count);
    json_close(&json, ']');
    json_close(&json, '}');
    (void)fputc('\n', view->out);
    json_frames_free(json.frames);
}
