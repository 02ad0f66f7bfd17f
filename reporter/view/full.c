/* What --full adds: counters, modules with the reason where names are missing, options, the process,
 * where the memory is, the arena. */
#include <stdlib.h>

#include "reporter/load/signals.h"
#include "reporter/view/escape.h"
#include "reporter/view/units.h"
#include "reporter/view/view.h"

static const char *const stat_names[] = {[STAT_DIRECT_COUNT] = "direct: live blocks",
                                         [STAT_DIRECT_CAPACITY] = "direct: their bytes",
                                         [STAT_ALLOCATIONS] = "direct: blocks ever made",
                                         [STAT_FREES] = "direct: blocks given back",
                                         [STAT_DIRECT_USED] = "direct: bytes charged",
                                         [STAT_DIRECT_PEAK] = "direct: highest charge",
                                         [STAT_DIRECT_MAX] = "direct: ceiling (0: none)",
                                         [STAT_DIRECT_REFUSED] = "requests refused",
                                         [STAT_CACHED] = "cached bytes",
                                         [STAT_TABLES] = "bytes of weir's own tables",
                                         [STAT_SLABS] = "slabs in use",
                                         [STAT_RUNS] = "runs and huge blocks live",
                                         [STAT_HEAPS] = "heaps ever made",
                                         [STAT_HEAPS_PARKED] = "heaps parked",
                                         [STAT_TRACKED_MADE] = "tracked blocks ever made",
                                         [STAT_TRACKED_LIVE] = "tracked blocks live",
                                         [STAT_UNTRACKED_LIVE] = "untracked blocks live",
                                         [STAT_STACKS] = "frames of unique stacks",
                                         [STAT_STACKS_FULL] = "stacks that could not be stored",
                                         [STAT_FOREIGN_FREES] = "frees of foreign pointers",
                                         [STAT_BAD_FREES] = "double, interior and wild frees",
                                         [STAT_MODULES_LOST] = "modules that could not be noted",
                                         [STAT_POOL_LOST] = "parts of blocks that were not noted",
                                         [STAT_RECORDS_LOST] = "accesses that were not recorded",
                                         [STAT_MISMATCHES] = "given back by other functions",
                                         [STAT_JUMPS] = "jumps out of malloc or free",
                                         [STAT_COLLECTED] = "lost blocks freed at the ceiling",
                                         [STAT_COLLECTED_BYTES] = "bytes of those",
                                         [STAT_INHERITED] = "inherited: live blocks",
                                         [STAT_INHERITED_BYTES] = "inherited: bytes of their places",
                                         [STAT_RSS_ANON] = "resident: anonymous bytes",
                                         [STAT_RSS_FILE] = "resident: bytes of files",
                                         [STAT_RSS_SHMEM] = "resident: bytes of shared memory",
                                         [STAT_PURGED] = "bytes ever given back",
                                         [STAT_REFUSED_BYTES] = "bytes of refused requests",
                                         [STAT_HIGH_CROSSINGS] = "above the high watermark, times",
                                         [STAT_LOW_CROSSINGS] = "below the low watermark, times",
                                         [STAT_ANONYMOUS_COUNT] = "own mappings, charged",
                                         [STAT_ANONYMOUS_USED] = "own mappings: bytes charged",
                                         [STAT_ANONYMOUS_RESERVED] = "own mappings: bytes reserved",
                                         [STAT_MAPPED_COUNT] = "mapped files and shared memory",
                                         [STAT_MAPPED_CAPACITY] = "mapped: bytes asked for",
                                         [STAT_MAPPED_USED] = "mapped: bytes",
                                         [STAT_MAPPED_PEAK] = "mapped: most bytes ever",
                                         [STAT_SAMPLE_BYTES] = "one byte in so many is drawn",
                                         [STAT_SAMPLE_BLOCKS] = "and one block in so many",
                                         [STAT_SAMPLES] = "samples ever",
                                         [STAT_SAMPLES_LOST] = "samples that found no memory",
                                         [STAT_SAMPLE_THINNED] = "drawn less, powers of two, at most",
                                         [STAT_SAMPLE_THINNED_NOW] = "the same, in the end",
                                         [STAT_PLACES] = "direct: bytes of the live places",
                                         [STAT_SAMPLED_PLACES] = "what samples stand for of those",
                                         [STAT_RESERVED] = "address space reserved"};

static void print_text(const struct view *view, const char *name, struct text text) {
    char *harmless = escape_text(text);
    (void)fprintf(view->out, "  %-32s %s\n", name, harmless);
    free(harmless);
}

static void print_process(const struct view *view, const struct dump *dump) {
    const struct dump_process *process = &dump->process;
    char *path = escape_string(dump->path);
    (void)fprintf(view->out, "\nProcess %u (%s)\n", process->pid, path);
    free(path);
    print_text(view, "executable", dump_text(dump, process->exe));
    struct text arguments = dump_text(dump, process->command_line);
    if (arguments.length && !arguments.bytes[arguments.length - 1]) arguments.length--;
    print_text(view, "arguments (\\x00 ends one)", arguments);
    (void)fprintf(view->out, "  %-32s %u\n", "parent", process->parent_pid);
    (void)fprintf(view->out, "  %-32s %s, number %u\n", "dumped at", view_reason(process->reason), process->number);
    if (process->exit_status != DUMP_STATUS_UNKNOWN)
        (void)fprintf(view->out, "  %-32s %u\n", "exit status", process->exit_status);
    if (process->killed_by) (void)fprintf(view->out, "  %-32s %s\n", "killed by", signal_name((int)process->killed_by));
    for (uint64_t i = 0; i < dump_count(dump, DUMP_OPTIONS); i++) {
        char *name = escape_text(dump_text(dump, dump_options(dump)[i].name));
        print_text(view, name, dump_text(dump, dump_options(dump)[i].value));
        free(name);
    }
}

static void print_stats(const struct view *view, const struct dump *dump) {
    for (uint32_t id = 1; id < sizeof stat_names / sizeof *stat_names; id++) {
        uint64_t value = 0;
        if (dump_stat(dump, id, &value)) (void)fprintf(view->out, "  %-32s %s\n", stat_names[id], units_count(value));
    }
    uint64_t time = 0, now = dump->process.dump_time;
    if (dump_stat(dump, STAT_DIRECT_PEAK_TIME, &time) && time <= now)
        (void)fprintf(view->out, "  %-32s %s ago\n", "direct: highest charge, reached",
                      units_age(time > dump->process.start_time ? now - time : view_uptime(dump)));
}

static void print_modules(const struct view *view, const struct dump *dump) {
    (void)fprintf(view->out, "\n  Modules\n");
    for (uint64_t i = 0; i < dump_count(dump, DUMP_MODULES); i++) {
        const struct dump_module *module = &dump_modules(dump)[i];
        char *path = escape_text(dump_text(dump, module->path));
        (void)fprintf(view->out, "  0x%012llx  %s  ", (unsigned long long)module->start, path[0] ? path : "(no path)");
        for (uint32_t j = 0; j < module->build_id_length; j++) (void)fprintf(view->out, "%02x", module->build_id[j]);
        (void)fprintf(view->out, "%s\n", module->build_id_length ? "" : "(no build-id)");
        free(path);
    }
}

static void print_missing(const struct view *view) {
    const struct merged *merged = view->merged;
    (void)fprintf(view->out, "\nNames in the stacks\n");
    for (size_t i = 0; i < merged->module_count; i++) {
        if (merged->modules[i]->jit) continue;
        const char *missing = symbols_why(view->symbols, (uint32_t)i);
        char *path = escape_text(merged->modules[i]->path), *why = escape_string(missing ? missing : "found");
        (void)fprintf(view->out, "  %s: %s\n", path[0] ? path : "(no path)", why);
        free(why);
        free(path);
    }
}

void view_full(const struct view *view) {
    for (size_t i = 0; i < view->merged->part_count; i++) {
        const struct dump *dump = view->merged->parts[i].dump;
        print_process(view, dump);
        print_stats(view, dump);
        print_modules(view, dump);
    }
    print_missing(view);
    view_memory(view);
    view_arena(view);
}
