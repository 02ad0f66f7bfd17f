/* Looking things up in a dump that was read and checked. */
#include <stdlib.h>
#include <string.h>

#include "reporter/load/dump.h"
#include "reporter/load/memory.h"

bool dump_is_sampled(const struct dump *dump) {
    uint64_t bytes = 0; /* the level may have been changed while it ran */
    return dump->process.level == DUMP_SIMPLE || dump->process.level == DUMP_ADVANCED ||
           dump_stat(dump, STAT_SAMPLE_BYTES, &bytes);
}

bool dump_same_image(const struct dump *a, const struct dump *b) {
    return a->process.pid == b->process.pid && a->process.start_realtime == b->process.start_realtime;
}

const struct dump_total *dump_totals(const struct dump *dump) {
    return dump->sections[DUMP_TOTALS].records;
}
const struct dump_jit *dump_jit_records(const struct dump *dump) {
    return dump->sections[DUMP_JIT].records;
}
const struct dump_option *dump_options(const struct dump *dump) {
    return dump->sections[DUMP_OPTIONS].records;
}
const struct dump_module *dump_modules(const struct dump *dump) {
    return dump->sections[DUMP_MODULES].records;
}
const struct dump_segment *dump_segments(const struct dump *dump) {
    return dump->sections[DUMP_SEGMENTS].records;
}
const uint64_t *dump_frames(const struct dump *dump) {
    return dump->sections[DUMP_FRAMES].records;
}
const struct dump_stack *dump_stacks(const struct dump *dump) {
    return dump->sections[DUMP_STACKS].records;
}
const struct dump_site *dump_sites(const struct dump *dump) {
    return dump->sections[DUMP_SITES].records;
}
const struct dump_class *dump_classes(const struct dump *dump) {
    return dump->sections[DUMP_CLASSES].records;
}
const struct dump_refusal *dump_refusals(const struct dump *dump) {
    return dump->sections[DUMP_REFUSALS].records;
}

const struct dump_grown *dump_grown(const struct dump *dump) {
    return dump->sections[DUMP_GROWN].records;
}

const struct dump_record *dump_records(const struct dump *dump) {
    return dump->sections[DUMP_RECORDS].records;
}
const struct dump_block *dump_pools(const struct dump *dump) {
    return dump->sections[DUMP_POOLS].records;
}
const struct dump_mark *dump_marks(const struct dump *dump) {
    return dump->sections[DUMP_MARKS].records;
}
const struct dump_mapping *dump_mappings(const struct dump *dump) {
    return dump->sections[DUMP_MAPPINGS].records;
}
const struct dump_memory *dump_memory_rows(const struct dump *dump) {
    return dump->sections[DUMP_MEMORY].records;
}
const struct dump_unaccounted *dump_unaccounted_ranges(const struct dump *dump) {
    return dump->sections[DUMP_UNACCOUNTED].records;
}

const struct dump_path *dump_paths(const struct dump *dump) {
    return dump->sections[DUMP_PATHS].records;
}
const struct dump_step *dump_steps(const struct dump *dump) {
    return dump->sections[DUMP_STEPS].records;
}

const struct dump_doing *dump_doings(const struct dump *dump) {
    return dump->sections[DUMP_DOINGS].records;
}
const struct dump_near *dump_nears(const struct dump *dump) {
    return dump->sections[DUMP_NEARS].records;
}

struct text dump_text(const struct dump *dump, struct dump_string string) {
    struct text text = {"", 0};
    uint64_t total = dump_count(dump, DUMP_STRINGS);
    if (total == 0 || string.offset > total || string.length > total - string.offset) return text;
    text.bytes = (const char *)dump->sections[DUMP_STRINGS].records + string.offset;
    text.length = string.length;
    return text;
}

bool dump_stat(const struct dump *dump, uint32_t id, uint64_t *value) {
    const struct dump_stat *stats = dump->sections[DUMP_STATS].records;
    for (uint64_t i = 0; i < dump_count(dump, DUMP_STATS); i++)
        if (stats[i].id == id) {
            *value = stats[i].value;
            return true;
        }
    return false;
}

uint64_t dump_age(const struct dump *dump, uint64_t time) {
    return time < dump->process.dump_time ? dump->process.dump_time - time : 0;
}

struct text dump_thread_name(const struct dump *dump, uint32_t thread) {
    const struct dump_thread *threads = dump->sections[DUMP_THREADS].records;
    for (uint64_t i = 0; i < dump_count(dump, DUMP_THREADS); i++)
        if (threads[i].thread == thread) return dump_text(dump, threads[i].name);
    return (struct text){"", 0};
}

struct text dump_option_value(const struct dump *dump, const char *name) {
    const struct dump_option *options = dump_options(dump);
    for (uint64_t i = 0; i < dump_count(dump, DUMP_OPTIONS); i++) {
        struct text found = dump_text(dump, options[i].name);
        if (found.length == strlen(name) && memcmp(found.bytes, name, found.length) == 0)
            return dump_text(dump, options[i].value);
    }
    return (struct text){"", 0};
}

const struct block_summary *dump_summary(const struct dump *dump, uint32_t stack) {
    if (!dump->summary_of || stack >= dump_count(dump, DUMP_STACKS) || !dump->summary_of[stack]) return NULL;
    return &dump->summaries[dump->summary_of[stack] - 1];
}

const struct block_summary *dump_next_summary(const struct dump *dump, const struct block_summary *summary) {
    return summary->next ? &dump->summaries[summary->next - 1] : NULL;
}

bool dump_is_judged(const struct dump *dump) {
    uint64_t known = 0;
    return dump_stat(dump, STAT_SCANNED, &known) && known && dump->summary_of;
}

enum dump_verdict dump_main_verdict(const struct dump *dump, uint32_t stack) {
    const struct block_summary *most = dump_summary(dump, stack);
    for (const struct block_summary *s = most; s; s = dump_next_summary(dump, s))
        if (s->bytes > most->bytes) most = s;
    return most ? most->verdict : DUMP_UNKNOWN;
}

void dump_forget_detail(struct block_summary *summary) {
    free(summary->detail);
    summary->detail = NULL;
}

char *dump_lacks(const struct dump *dump) {
    uint64_t lacks = 0;
    if (!dump_stat(dump, STAT_SCAN_LACKS, &lacks) || !lacks) return NULL;
    const char *memory = lacks & SCAN_LACKS_MEMORY ? "memory of the program" : NULL,
               *registers = lacks & SCAN_LACKS_REGISTERS ? "registers" : NULL,
               *kernel = lacks & SCAN_LACKS_KERNEL ? "what the kernel keeps for it (epoll, timers, signals)" : NULL;
    const char *all[] = {memory, registers, kernel};
    char *text = memory_format("the core lacks");
    const char *before = " ";
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!all[i]) continue;
        text = memory_append(memory_append(text, before), all[i]);
        before = ", ";
    }
    return text;
}
