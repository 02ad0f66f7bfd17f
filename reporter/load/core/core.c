/* See core.h: the process, its options and counters, and the order of sections, as shim/box/dump.c has it. Nothing that
 * a core says is believed; the dump that is made of it is checked like any other (check.c). */
#include "reporter/load/core/core.h"

#include <elf.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/core/making.h"
#include "reporter/load/file.h"
#include "reporter/load/memory.h"

#define TEXT_MOST    4096u
#define OPTIONS_MOST (64u << 10)
#define STATS_MOST   40u

bool core_is_one(int fd, uint64_t size) {
    unsigned char header[EI_NIDENT + 4];
    if (size < sizeof(Elf64_Ehdr) || !file_read(fd, header, sizeof header, 0)) return false;
    return memcmp(header, ELFMAG, SELFMAG) == 0 && header[EI_CLASS] == ELFCLASS64 &&
           (header[EI_NIDENT] | header[EI_NIDENT + 1] << 8) == ET_CORE;
}

/* --- the process --- */

static struct dump_string text_at(struct making *m, uint64_t address) {
    char text[TEXT_MOST];
    size_t n = core_text(m->core, address, text, sizeof text);
    return making_string(m, text, n);
}

static struct dump_string bytes_at(struct making *m, uint64_t address, uint64_t at_length) {
    char bytes[TEXT_MOST];
    uint64_t n = core_word(m->core, at_length);
    if (n > sizeof bytes || !core_read(m->core, bytes, (size_t)n, address)) n = 0;
    return making_string(m, bytes, (size_t)n);
}

static uint32_t level_of(struct making *m) {
    const struct core_state *s = &m->t.state;
    uint32_t level = core_half(m->core, m->t.process.at_level);
    if (!core_byte(m->core, s->at_tracking)) return DUMP_DISABLED;
    if (core_byte(m->core, s->at_checked)) return DUMP_PARANOID;
    return level == DUMP_ADVANCED ? DUMP_ADVANCED : DUMP_SIMPLE;
}

/* A child that has not come to weir since it was forked has nothing of its own, and does not know it yet. */
static void settle_child(struct making *m) {
    if (core_half(m->core, m->t.state.at_owner) != 0 || m->process.pid == m->core->process) return;
    m->process.forked_from = m->process.pid;
    m->process.pid = m->core->process;
    m->process.number = 0;
    m->process.fork_time = m->process.start_time ? m->process.start_time : 1; /* nobody knows when */
    m->epoch = (m->epoch + 1) % 128;
}

static void read_process(struct making *m) {
    const struct core_state *s = &m->t.state;
    const struct core_process *p = &m->t.process;
    struct core *core = m->core;
    uint64_t max = core_word(core, m->t.counters.at_max);
    m->process = (struct dump_process){.pid = core_half(core, s->at_pid),
                                       .parent_pid = core->parent,
                                       .reason = DUMP_AT_CORE,
                                       .level = level_of(m),
                                       .exit_status = DUMP_STATUS_UNKNOWN,
                                       .number = core_half(core, p->at_dumps),
                                       .page_size = CORE_PAGE,
                                       .pointer_size = 8,
                                       .start_realtime = core_word(core, p->at_start_realtime),
                                       .start_time = core_word(core, p->at_start_time),
                                       .fork_time = core_word(core, s->at_fork_time),
                                       .max_direct = max == UINT64_MAX ? 0 : max,
                                       .name = text_at(m, p->at_name),
                                       .exe = text_at(m, m->t.modules.program_path),
                                       .command_line = bytes_at(m, p->command_line, p->at_command_line_length),
                                       .machine = making_string(m, "x86_64", 6),
                                       .forked_from = core_half(core, s->at_forked_from)};
    m->epoch = core_half(core, s->at_epoch) % 128;
    settle_child(m);
    if (m->process.number < UINT32_MAX) m->process.number++; /* it is later than what the process itself wrote */
    if (core_byte(core, s->at_sampled)) {
        m->sample_bytes = core_word(core, p->at_sample_bytes);
        m->sample_blocks = core_word(core, p->at_sample_blocks);
    }
    if (!m->sample_blocks) m->sample_bytes = 0;
    m->pattern = core_byte(core, p->at_pattern);
    m->freed = core_byte(core, p->at_zero_on_free) ? 0 : CORE_FREE;
}

/* No core has a clock. The file's own time tells when it was written, unless it was copied since; what weir noted last
 * was not later. */
static void settle_time(struct making *m, uint64_t written) {
    struct dump_process *p = &m->process;
    if (p->start_time > m->newest) m->newest = p->start_time;
    p->dump_time = m->newest;
    if (written < p->start_realtime) return;
    uint64_t up = written - p->start_realtime;
    if (up <= UINT64_MAX - p->start_time && p->start_time + up > p->dump_time) p->dump_time = p->start_time + up;
}

/* A core that was taken of a process that goes on has no signal that ends it. */
static void settle_end(struct making *m) {
    const struct dump_doing *first = m->doing_count ? m->doings : NULL;
    if (first && first->signal != SIGSTOP && first->signal != SIGTRAP) m->process.killed_by = first->signal;
}

static void read_options(struct making *m) {
    const struct core_process *p = &m->t.process;
    uint64_t length = core_word(m->core, p->at_options_length);
    if (length > OPTIONS_MOST) return;
    char *all = memory_get((size_t)length + 1, 1);
    if (core_read(m->core, all, (size_t)length, p->options))
        for (const char *at = all; at < all + length; at += strlen(at) + 1) {
            const char *equals = strchr(at, '=');
            if (!equals) continue;
            struct dump_option option = {making_string(m, at, (size_t)(equals - at)),
                                         making_string(m, equals + 1, strlen(equals + 1))};
            m->options = memory_more(m->options, &m->option_capacity, m->option_count + 1, sizeof option);
            m->options[m->option_count++] = option;
        }
    free(all);
}

/* --- refusals and counters --- */

static void read_refusals(struct making *m) {
    const struct core_ceiling *t = &m->t.ceiling;
    uint64_t all = core_word(m->core, m->t.counters.at_refused), n = all < t->refusals ? all : t->refusals;
    m->refusals = memory_get((size_t)n, sizeof *m->refusals);
    for (uint64_t i = all - n; i < all; i++) {
        uint64_t at = m->t.counters.ring + i % t->refusals * t->stride;
        uint32_t operation = core_half(m->core, at + t->in_operation);
        struct dump_refusal *refusal = &m->refusals[m->refusal_count];
        *refusal =
            (struct dump_refusal){.time = core_word(m->core, at + t->in_time),
                                  .requested = core_word(m->core, at + t->in_requested),
                                  .used = core_word(m->core, at + t->in_used),
                                  .max = core_word(m->core, at + t->in_max),
                                  .thread = core_half(m->core, at + t->in_thread),
                                  .operation = operation,
                                  .frame = stack_list_sound(core_word(m->core, at + t->in_frame), m->module_count),
                                  .committed = core_word(m->core, at + t->in_committed),
                                  .stack = making_stack(m, core_half(m->core, at + t->in_stack))};
        m->refusal_count += operation != 0; /* it was just being noted */
        if (refusal->time > m->newest) m->newest = refusal->time;
    }
}

static void write_stats(struct making *m) {
    const struct core_counters *c = &m->t.counters;
    const struct core_state *s = &m->t.state;
    struct core *core = m->core;
    uint64_t places = m->sampled_places < 1e18 ? (uint64_t)m->sampled_places : 0;
    struct dump_stat stats[STATS_MOST + MAKING_VERDICTS + MAKING_ARENA];
    const struct dump_stat own[] = {
        {STAT_DIRECT_COUNT, 0, m->blocks},
        {STAT_DIRECT_CAPACITY, 0, m->capacity},
        {STAT_DIRECT_USED, 0, core_word(core, c->at_used)},
        {STAT_DIRECT_PEAK, 0, core_word(core, c->at_peak)},
        {STAT_DIRECT_PEAK_TIME, 0, core_word(core, c->at_peak_time)},
        {STAT_DIRECT_MAX, 0, m->process.max_direct},
        {STAT_DIRECT_REFUSED, 0, core_word(core, c->at_refused)},
        {STAT_REFUSED_BYTES, 0, core_word(core, c->at_refused_bytes)},
        {STAT_HIGH_CROSSINGS, 0, core_word(core, c->at_high_crossings)},
        {STAT_LOW_CROSSINGS, 0, core_word(core, c->at_low_crossings)},
        {STAT_SLABS, 0, m->slabs},
        {STAT_RUNS, 0, m->runs},
        {STAT_TRACKED_LIVE, 0, m->tracked},
        {STAT_UNTRACKED_LIVE, 0, m->blocks > m->tracked ? m->blocks - m->tracked : 0},
        {STAT_STACKS, 0, m->stacks.ids},
        {STAT_STACKS_FULL, 0, core_word(core, m->t.stacks.at_lost)},
        {STAT_FOREIGN_FREES, 0, core_word(core, s->at_foreign_frees)},
        {STAT_BAD_FREES, 0, core_word(core, s->at_bad_frees)},
        {STAT_MISMATCHES, 0, core_word(core, s->at_mismatches)},
        {STAT_JUMPS, 0, core_word(core, s->at_jumps)},
        {STAT_COLLECTED, 0, core_word(core, s->at_collected)},
        {STAT_COLLECTED_BYTES, 0, core_word(core, s->at_collected_bytes)},
        {STAT_MODULES_LOST, 0, core_word(core, m->t.modules.at_lost)},
        {STAT_INHERITED, 0, m->inherited},
        {STAT_INHERITED_BYTES, 0, m->inherited_bytes},
        {STAT_PLACES, 0, m->bytes},
        {STAT_RECORDS_LOST, 0, core_word(core, m->t.records.at_lost)},
        {STAT_POOL_LOST, 0, core_word(core, m->t.pools.at_lost)},
        /* only where blocks were drawn */
        {STAT_SAMPLE_BYTES, 0, m->sample_bytes},
        {STAT_SAMPLE_BLOCKS, 0, m->sample_blocks},
        {STAT_SAMPLED_PLACES, 0, places},
        {STAT_SAMPLES, 0, core_word(core, m->t.process.at_samples)},
        {STAT_SAMPLES_LOST, 0, core_word(core, m->t.process.at_samples_lost)},
        {STAT_SAMPLE_THINNED, 0, core_half(core, m->t.process.at_most_thinned)},
        {STAT_SAMPLE_THINNED_NOW, 0, core_half(core, m->t.process.at_thinned)},
    };
    size_t count = sizeof own / sizeof *own - (m->sample_bytes ? 0 : 7);
    static_assert(sizeof own / sizeof *own <= STATS_MOST, "there is room for all");
    memcpy(stats, own, count * sizeof *own);
    count += making_add_verdicts(m, stats + count);
    count += making_add_arena(m, stats + count);
    dump_writer_section(&m->w, DUMP_STATS, sizeof *stats, stats, count);
}

/* --- all of it --- */

static void write_rest(struct making *m) {
    struct dump_writer *w = &m->w;
    dump_writer_section(w, DUMP_PROCESS, sizeof m->process, &m->process, 1);
    dump_writer_section(w, DUMP_STRINGS, 1, m->strings, m->string_bytes);
    dump_writer_section(w, DUMP_OPTIONS, sizeof *m->options, m->options, m->option_count);
    dump_writer_section(w, DUMP_MODULES, sizeof *m->modules, m->modules, m->module_count);
    dump_writer_section(w, DUMP_SEGMENTS, sizeof *m->segments, m->segments, m->segment_count);
    stack_list_write(&m->stacks, w);
    dump_writer_section(w, DUMP_GROWN, sizeof *m->grown, m->grown, m->grown_count);
    dump_writer_section(w, DUMP_REFUSALS, sizeof *m->refusals, m->refusals, m->refusal_count);
    dump_writer_section(w, DUMP_THREADS, sizeof *m->threads, m->threads, m->thread_count);
    dump_writer_section(w, DUMP_DOINGS, sizeof *m->doings, m->doings, m->doing_count);
    dump_writer_section(w, DUMP_NEARS, sizeof *m->nears, m->nears, m->near_count);
}

static char *what_is_missing(const struct making *m) {
    if (m->core->cut) return memory_format("the core is cut short: not all of its memory is there");
    if (m->lost)
        return memory_format("of %llu slabs the core has no entries: their blocks are not listed",
                             (unsigned long long)m->lost);
    if (m->core->overlaps) return memory_format("segments of the core name the same bytes: some were not read");
    if (m->core->spent) return memory_format("the core has more to be read than its size explains: not all was");
    return NULL;
}

static int make(struct making *m, uint64_t written, uint64_t *size, char **missing) {
    dump_writer_begin(&m->w, "core");
    read_process(m);
    read_options(m);
    making_read_modules(m);
    making_read_stacks(m);
    making_judge(m);
    making_find_near(m);
    making_write_blocks(m);
    making_write_sites(m);
    making_write_arena(m);
    making_write_totals(m);
    making_write_mappings(m);
    making_write_records(m);
    making_write_pools(m);
    read_refusals(m);
    making_unwind(m);
    making_write_ways(m);
    settle_time(m, written);
    settle_end(m);
    write_stats(m);
    write_rest(m);
    *missing = what_is_missing(m);
    int fd = dump_writer_finish(&m->w, &m->process, size);
    free(m->strings);
    free(m->options);
    free(m->modules);
    free(m->segments);
    stack_list_free(&m->stacks);
    free(m->grown);
    free(m->threads);
    free(m->refusals);
    free(m->doings);
    free(m->nears);
    free(m->frames);
    free(m->wishes);
    making_end_verdicts(m);
    return fd;
}

int core_to_dump(int fd, uint64_t *size, uint64_t written, const char **why, char **missing) {
    struct core *core = memory_get(1, sizeof *core);
    struct making *m = memory_get(1, sizeof *m);
    int to = -1;
    m->core = core;
    *why = core_open(core, fd, *size);
    if (!*why) *why = core_find_tables(core, &m->t);
    if (!*why && (to = make(m, written, size, missing)) < 0) *why = "no memory for what is made of the core";
    core_close(core);
    free(core);
    free(m);
    return to;
}
