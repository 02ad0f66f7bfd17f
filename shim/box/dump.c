/* Writing a dump: the process, its options, the counters, and the order of sections; see dump.h. Blocks, stacks and
 * modules are in contents.c. */
#include "shim/box/dump.h"
#include "shim/arena/arena.h"
#include "shim/arena/sample.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/options.h"
#include "shim/base/signals.h"
#include "shim/base/stack.h"
#include "shim/base/start.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/beacon.h"
#include "shim/box/contents.h"
#include "shim/box/writer.h"
#include "shim/ceiling/ceiling.h"
#include "shim/ceiling/mappings.h"
#include "shim/box/modules.h"
#include "shim/box/pools.h"
#include "shim/box/records.h"
#include "shim/box/state.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>

_Static_assert((int)CEILING_MALLOC == OP_MALLOC && (int)CEILING_MMAP == OP_MMAP,
               "operations are numbered as in the format");

static char command_line[4096];
static size_t command_line_length;
static char options_text[8192]; /* as dump_options has it */
static size_t options_length;
static uint64_t start_time, start_realtime;
static _Atomic uint32_t dumps;
static _Atomic uint32_t parent_pid;
static _Atomic bool complained;
static char buffer[WRITER_BUFFER];
char dump_path[OUTPUT_PATH_MAX];

const struct core_process core_process = {.at_start_time = CORE_ADDRESS(start_time),
                                          .at_start_realtime = CORE_ADDRESS(start_realtime),
                                          .at_level = CORE_ADDRESS(options.level),
                                          .at_sample_bytes = CORE_ADDRESS(options.sample_bytes),
                                          .at_sample_blocks = CORE_ADDRESS(options.sample_blocks),
                                          .at_pattern = CORE_ADDRESS(options.pattern),
                                          .at_depth = CORE_ADDRESS(options.depth),
                                          .at_zero_on_free = CORE_ADDRESS(options.zero_on_free),
                                          .at_thinned = CORE_ADDRESS(sample_thinned),
                                          .at_most_thinned = CORE_ADDRESS(sample_most_thinned),
                                          .at_samples = CORE_ADDRESS(sample_taken),
                                          .at_samples_lost = CORE_ADDRESS(sample_lost),
                                          .at_dumps = CORE_ADDRESS(dumps),
                                          .at_name = CORE_ADDRESS(output_name),
                                          .command_line = CORE_ADDRESS(command_line),
                                          .at_command_line_length = CORE_ADDRESS(command_line_length),
                                          .options = CORE_ADDRESS(options_text),
                                          .at_options_length = CORE_ADDRESS(options_length),
                                          .misuse = CORE_ADDRESS(core_misuse)};
_Static_assert(sizeof options.level == 4 && sizeof options.depth == 4 && (int)LEVEL_ADVANCED == DUMP_ADVANCED,
               "a level and a depth are 4 bytes");

static void add_option(const char *text) {
    size_t n = str_length(text);
    mem_copy(options_text + options_length, text, n);
    options_length += n;
}

void dump_note_options(void) {
    char value[1024];
    options_length = 0;
    for (unsigned i = 0; options_name(i); i++) {
        options_value(i, value, sizeof value);
        if (options_length + str_length(options_name(i)) + str_length(value) + 2 > sizeof options_text) return;
        add_option(options_name(i));
        add_option("=");
        add_option(value);
        options_text[options_length++] = 0;
    }
}

const char *dump_options(size_t *length) {
    *length = options_length;
    return options_text;
}

void dump_start(void) {
    dump_note_options();
    start_time = clock_now();
    start_realtime = clock_realtime();
    for (int i = 0; i < start_argc && command_line_length < sizeof command_line; i++) {
        size_t n = min_size(str_length(start_argv[i]) + 1, sizeof command_line - command_line_length);
        mem_copy(command_line + command_line_length, start_argv[i], n);
        command_line_length += n;
    }
}

static uint32_t level(void) {
    if (!state_tracking()) return DUMP_DISABLED;
    if (state_checked()) return DUMP_PARANOID;
    return options.level == LEVEL_ADVANCED ? DUMP_ADVANCED : DUMP_SIMPLE; /* disabled since, it still has what it had */
}

struct dump_process dump_describe(enum dump_reason reason, uint32_t exit_status, uint32_t pid, dump_adds_string *add,
                                  void *context) {
    return (struct dump_process){
        .pid = pid,
        .parent_pid = reason == DUMP_LEFT ? (uint32_t)sys0(SYS_getppid) : parent_pid,
        .reason = reason,
        .level = level(),
        .exit_status = exit_status,
        .number = atomic_load_explicit(&dumps, memory_order_relaxed),
        .page_size = PAGE,
        .pointer_size = sizeof(void *),
        .start_realtime = start_realtime,
        .start_time = start_time,
        .fork_time = state_fork_time(),
        .max_direct = ceiling_numbers().max,
        .name = add(context, output_program(), str_length(output_program())),
        .exe = add(context, module_program_path(), str_length(module_program_path())),
        .command_line = add(context, command_line, command_line_length),
        .machine = add(context, "x86_64", 6),
        .forked_from = state_forked_from(),
    };
}

static struct dump_string add_string(void *context, const char *bytes, size_t n) {
    return contents_string(context, bytes, n);
}

static void write_process(struct contents *c, enum dump_reason reason, uint32_t exit_status, uint32_t pid) {
    struct dump_process p = dump_describe(reason, exit_status, pid, add_string, c);
    p.dump_time = c->now;
    p.killed_by = dump_killed_by;
    writer_begin(&c->w, DUMP_PROCESS, sizeof p);
    writer_add(&c->w, &p, sizeof p);
    writer_end(&c->w);
}

static void write_options(struct contents *c) {
    char value[1024];
    writer_begin(&c->w, DUMP_OPTIONS, sizeof(struct dump_option));
    for (unsigned i = 0; options_name(i); i++) {
        options_value(i, value, sizeof value);
        struct dump_option o = {contents_string(c, options_name(i), str_length(options_name(i))),
                                contents_string(c, value, str_length(value))};
        writer_add(&c->w, &o, sizeof o);
    }
    writer_end(&c->w);
}

/* Apart from the others, since there are none where nobody looked. */
static size_t add_verdicts(const struct verdicts *v, struct dump_stat *stats) {
    const struct dump_stat all[] = {
        {STAT_SCANNED, 0, v->known},
        {STAT_SCAN_TIME, 0, v->time},
        {STAT_SCAN_ROOTS, 0, v->root_bytes},
        {STAT_SCAN_BLOCKS, 0, v->block_bytes},
        {STAT_SCAN_NOT_HELD, 0, v->threads_not_held},
        {STAT_SCAN_PAUSE, 0, v->pause},
        {STAT_SCAN_APART, 0, v->apart},
        {STAT_LEAKED_COUNT, 0, v->blocks[DUMP_LEAKED]},
        {STAT_LEAKED_BYTES, 0, v->bytes[DUMP_LEAKED]},
        {STAT_INDIRECT_COUNT, 0, v->blocks[DUMP_INDIRECT]},
        {STAT_INDIRECT_BYTES, 0, v->bytes[DUMP_INDIRECT]},
        {STAT_POSSIBLE_COUNT, 0, v->blocks[DUMP_POSSIBLE]},
        {STAT_POSSIBLE_BYTES, 0, v->bytes[DUMP_POSSIBLE]},
        {STAT_REACHED_COUNT, 0, v->blocks[DUMP_IN_USE]},
        {STAT_REACHED_BYTES, 0, v->bytes[DUMP_IN_USE]},
    };
    size_t n = !v->wanted ? 0 : v->known ? ARRAY_LENGTH(all) : 1;
    mem_copy(stats, all, n * sizeof all[0]);
    return n;
}

static void write_stats(struct contents *c) {
    struct ceiling_numbers n = ceiling_numbers();
    struct state_numbers t = state_numbers();
    struct mappings_numbers m = mappings_numbers();
    const struct memory *memory = &c->memory;
    struct sample_numbers sampled = sample_numbers();
    uint64_t made = 0;
    for (unsigned i = 0; i <= CLASSES; i++) made += c->classes[i].made;
    const struct dump_stat stats[] = {
        {STAT_DIRECT_COUNT, 0, c->stats.blocks},
        {STAT_DIRECT_CAPACITY, 0, c->capacity},
        {STAT_ALLOCATIONS, 0, made},
        {STAT_FREES, 0, made - min_size(made, c->stats.blocks)},
        {STAT_DIRECT_USED, 0, n.used},
        {STAT_DIRECT_PEAK, 0, n.peak},
        {STAT_DIRECT_PEAK_TIME, 0, n.peak_time},
        {STAT_DIRECT_MAX, 0, n.max},
        {STAT_DIRECT_REFUSED, 0, n.refused},
        {STAT_REFUSED_BYTES, 0, n.refused_bytes},
        {STAT_HIGH_CROSSINGS, 0, n.high_crossings},
        {STAT_LOW_CROSSINGS, 0, n.low_crossings},
        {STAT_CACHED, 0, memory->rows[MEMORY_CACHED].charged + memory->rows[MEMORY_PINNED].charged},
        {STAT_TABLES, 0, memory->rows[MEMORY_TABLES].charged},
        {STAT_SLABS, 0, c->stats.slabs},
        {STAT_RUNS, 0, c->stats.runs},
        {STAT_HEAPS, 0, c->stats.heaps},
        {STAT_HEAPS_PARKED, 0, c->stats.parked},
        {STAT_TRACKED_LIVE, 0, c->tracked},
        {STAT_UNTRACKED_LIVE, 0, c->stats.blocks - c->tracked},
        {STAT_STACKS, 0, contents_stack_count()},
        {STAT_STACKS_FULL, 0, contents_stacks_lost()},
        {STAT_FOREIGN_FREES, 0, t.foreign_frees},
        {STAT_BAD_FREES, 0, t.bad_frees},
        {STAT_RECORDS_LOST, 0, records_lost()},
        {STAT_POOL_LOST, 0, pools_lost()},
        {STAT_MODULES_LOST, 0, modules_lost()},
        {STAT_MISMATCHES, 0, t.mismatches},
        {STAT_JUMPS, 0, t.jumps},
        {STAT_COLLECTED, 0, t.collected},
        {STAT_COLLECTED_BYTES, 0, t.collected_bytes},
        {STAT_INHERITED, 0, c->inherited},
        {STAT_INHERITED_BYTES, 0, c->inherited_bytes},
        {STAT_PURGED, 0, c->stats.purged},
        {STAT_RESERVED, 0, c->stats.reserved},
        {STAT_MAPPED_COUNT, 0, m.mapped_count},
        {STAT_MAPPED_CAPACITY, 0, m.mapped_bytes},
        {STAT_MAPPED_USED, 0, m.mapped_bytes},
        {STAT_MAPPED_PEAK, 0, m.mapped_peak},
        {STAT_ANONYMOUS_COUNT, 0, m.count},
        {STAT_ANONYMOUS_USED, 0, m.charged},
        {STAT_ANONYMOUS_RESERVED, 0, m.reserved},
        {STAT_RSS_ANON, 0, memory->rss_anon},
        {STAT_RSS_FILE, 0, memory->rss_file},
        {STAT_RSS_SHMEM, 0, memory->rss_shmem},
        {STAT_PLACES, 0, c->stats.bytes},
    };
    const struct dump_stat sampling[] = {
        {STAT_SAMPLE_BYTES, 0, options.sample_bytes},
        {STAT_SAMPLE_BLOCKS, 0, options.sample_blocks},
        {STAT_SAMPLES, 0, sampled.taken},
        {STAT_SAMPLES_LOST, 0, sampled.lost},
        {STAT_SAMPLE_THINNED, 0, sampled.most_thinned},
        {STAT_SAMPLE_THINNED_NOW, 0, sampled.thinned},
        {STAT_SAMPLED_PLACES, 0, c->places},
    };
    struct dump_stat verdicts[20];
    size_t n_verdicts = add_verdicts(&c->verdicts, verdicts);
    writer_begin(&c->w, DUMP_STATS, sizeof stats[0]);
    writer_add(&c->w, stats, sizeof stats);
    if (state_of_process.sampled) writer_add(&c->w, sampling, sizeof sampling);
    writer_add(&c->w, verdicts, n_verdicts * sizeof verdicts[0]);
    writer_end(&c->w);
}

static void write_refusals(struct contents *c) {
    struct ceiling_refusal refusals[CEILING_REFUSALS];
    size_t n = ceiling_refusals(refusals, ARRAY_LENGTH(refusals));
    writer_begin(&c->w, DUMP_REFUSALS, sizeof(struct dump_refusal));
    for (size_t i = 0; i < n; i++) {
        const struct ceiling_refusal *r = &refusals[i];
        struct dump_refusal d = {.time = r->time,
                                 .requested = r->requested,
                                 .used = r->used,
                                 .max = r->max,
                                 .thread = r->thread,
                                 .operation = r->operation,
                                 .frame = r->frame,
                                 .committed = r->committed,
                                 .stack = contents_stack(c, r->stack)};
        writer_add(&c->w, &d, sizeof d);
    }
    writer_end(&c->w);
}

void dump_add_error(struct text *t, long error) {
    static const struct {
        int number;
        const char *words;
    } known[] = {{1, "not permitted"},
                 {2, "no such folder"},
                 {5, "input/output error"},
                 {12, "out of memory"},
                 {13, "permission denied"},
                 {17, "too many dumps of that name"},
                 {20, "not a folder"},
                 {24, "too many open files"},
                 {27, "file too large"},
                 {28, "no space left"},
                 {30, "read-only file system"},
                 {36, "name too long"},
                 /* No kernel that weir runs on answers so: a filter does (man's). */
                 {38, "the program's filter of system calls forbids it"},
                 {40, "too many links"},
                 {122, "quota exceeded"}};
    size_t i = 0;
    while (i < ARRAY_LENGTH(known) && known[i].number != -error) i++;
    if (i < ARRAY_LENGTH(known)) {
        text_add(t, known[i].words);
    } else {
        text_add(t, "error ");
        text_add_number(t, (uint64_t)-error);
    }
}

static void complain(const char *path, long error) {
    if (atomic_exchange_explicit(&complained, true, memory_order_relaxed)) return;
    struct text t = {0};
    text_add(&t, "weir: no dump is written to ");
    text_add_bytes(&t, path, min_size(str_length(path), 600));
    text_add(&t, ": ");
    dump_add_error(&t, error);
    message_send(&t);
}

void dump_count(void) {
    atomic_fetch_add_explicit(&dumps, 1, memory_order_relaxed);
    parent_pid = (uint32_t)sys0(SYS_getppid); /* a copy has another parent */
}

/* Nothing interrupts a dump but what is the thread's own fault: a handler might end the program, or jump away. Past a
 * limit on file sizes the kernel sends SIGXFSZ before it fails the write, which is waited for here. */
#define EFBIG_ 27

static void let_signals_go(uint64_t before, bool sent) {
    uint64_t size_signal = 1ull << (SIGXFSZ - 1);
    struct timespec none = {0, 0};
    if (sent) (void)sys4(SYS_rt_sigtimedwait, (long)&size_signal, 0, (long)&none, 8);
    signals_set(before);
}

struct request {
    enum dump_reason reason;
    uint32_t exit_status, pid;
    long error;
    uintptr_t stack; /* of the program, as far as it is in use */
};

const struct verdicts_by *dump_verdicts;
bool dump_search_anyway;
uint32_t dump_killed_by;

static void write_sections(struct contents *c, const struct request *r) {
    if (dump_verdicts && (dump_search_anyway || dump_verdicts->are_wanted(r->reason))) {
        contents_see_memory(c);
        dump_verdicts->begin(&c->verdicts, r->reason, r->stack);
    }
    contents_write_blocks(c); /* first: the others tell of what it saw */
    if (c->verdicts.known) dump_verdicts->write_paths(c);
    if (c->verdicts.wanted) dump_verdicts->end(&c->verdicts);
    write_process(c, r->reason, r->exit_status, r->pid);
    write_options(c);
    write_stats(c);
    write_refusals(c);
    contents_write_rest(c);
    struct dump_header header = {.time_realtime = start_realtime + (c->now - start_time), .pid = r->pid};
    writer_finish(&c->w, &header);
}

static void write_requested(void *argument) {
    struct request *r = argument;
    struct output o;
    struct contents c;
    output_open(&o, dump_path, r->pid, atomic_load_explicit(&dumps, memory_order_relaxed));
    r->error = sys_failed(o.fd) ? o.fd : 0;
    if (r->error == 0) {
        contents_start(&c, (int)o.fd, buffer, r->pid);
        c.since = start_realtime + (state_fork_time() > start_time ? state_fork_time() - start_time : 0);
        write_sections(&c, r);
        contents_end(&c);
        r->error = -c.w.error;
        if (r->error == 0)
            r->error = output_keep(&o);
        else
            output_drop(&o);
        if (r->error == 0 && r->reason == DUMP_AT_EXIT) leaks_tell(&c.leaks, &c.verdicts, dump_path);
    }
    if (r->error != 0) complain(dump_path, r->error);
}

/* The registers that a caller may have something in are saved in this frame. */
NOINLINE long dump_write(enum dump_reason reason, uint32_t exit_status, uint32_t pid) {
    uintptr_t stack = (uintptr_t)__builtin_frame_address(0) - VERDICTS_SAVED;
    struct request r = {reason, exit_status, pid, -1 /* EPERM */, stack};
    __builtin_unwind_init();
    if (!dump_is_permitted()) return r.error; /* said when the filter was set */
    uint64_t before;
    bool held = signals_hold(&before);
    stack_call(write_requested, &r);
    if (held) let_signals_go(before, r.error == -EFBIG_);
    return r.error;
}

static void look(void *argument) {
    const struct request *r = argument;
    struct verdicts v;
    dump_verdicts->begin(&v, r->reason, r->stack);
    dump_verdicts->end(&v);
}

NOINLINE void dump_look(uint32_t pid) {
    struct request r = {.reason = DUMP_AT_SIGNAL, .stack = (uintptr_t)__builtin_frame_address(0) - VERDICTS_SAVED};
    __builtin_unwind_init();
    memory_of_process(pid);
    if (dump_verdicts) stack_call(look, &r);
}

void dump_discard(void) {
    (void)sys3(SYS_unlinkat, AT_FDCWD, (long)dump_path, 0);
    atomic_fetch_sub_explicit(&dumps, 1, memory_order_relaxed);
}

bool dump_is_wanted(void) {
    return options.dump_at != 0;
}

bool dump_is_permitted(void) {
    return output_is_permitted();
}

/* --- one at a time --- */

#define WAIT 5000 /* ms that another thread's exit or exec waits */

/* The lock goes to whoever looks first: threads that dump again and again would leave the end none. */
bool dump_begin(bool last) {
    if (last) atomic_store_explicit(&lock_page.ending, 1, memory_order_relaxed);
    for (unsigned i = 0; i < WAIT; i++) {
        if ((last || !atomic_load_explicit(&lock_page.ending, memory_order_relaxed)) && lock_try(LOCK_DUMP))
            return true;
        sys_pause(1000000);
    }
    return false;
}

void dump_end(void) {
    lock_give(LOCK_DUMP);
}

bool dump_is_mine(void) {
    return lock_held_here(LOCK_DUMP);
}
