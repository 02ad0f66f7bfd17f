/* A deterministic fuzzer of everything that reads files: dumps (loader, merging, views) and the ELF files that they
 * name (symbols). The same seed gives the same files.
 *
 *   fuzz_load SEED ITERATIONS FOLDER [ELF [BESIDE]]
 *
 * FOLDER, an absolute path as a module must have, holds the file of the current iteration, so that what crashed is
 * still there. Of each four iterations one breaks a dump, two break a dump and repair its checksums, so that what lies
 * behind them is reached, and one breaks the ELF file but for its build-id; or, every other time, the file BESIDE that
 * this one's names come from, in place. Where $FORMS is a folder, all forms of what was read are left there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reporter/forms/forms.h"
#include "reporter/gate/repeat.h"
#include "reporter/load/marks.h"
#include "reporter/load/memory.h"
#include "reporter/view/explain.h"
#include "tests/fuzz/repair.h"
#include "tests/lib/random.h"
#include "tests/reporter/dump_builder.h"

struct file {
    char *bytes;
    size_t length;
};

static struct file base_dump(const char *module_path, const char *elf) {
    struct builder builder;
    struct file file = {0};
    builder_init(&builder);
    builder.process.name = builder_string(&builder, "fuzzed\033[1m", 10);
    builder.process.max_direct = 1 << 30;
    (void)builder_module(&builder, module_path, elf, DUMP_MODULE_PROGRAM);
    (void)builder_module(&builder, "/nowhere/libother.so", NULL, 0);
    for (uint64_t i = 0; i < 24; i++) {
        uint64_t frames[8];
        for (uint64_t j = 0; j < 8; j++) frames[j] = (j == 7 ? 1ull << 48 : 0) | (0x1000 + i * 176 + j * 41);
        frames[6] |= (uint64_t)DUMP_NO_MODULE << 48; /* code of a JIT */
        struct dump_site site = {
            .stack = (uint32_t)builder_stack(&builder, frames, 8, i), .threads = 1, .blocks = 2, .bytes = 64 * i};
        (void)builder_add(&builder, DUMP_SITES, &site, sizeof site);
        struct dump_block block = {.address = i << 12,
                                   .size = 32 * i,
                                   .time = i,
                                   .stack = site.stack,
                                   .thread = (uint32_t)i,
                                   .verdict = (uint32_t)(i % 5)};
        struct dump_path path = {.address = block.address,
                                 .stack = block.stack,
                                 .verdict = block.verdict,
                                 .root = (uint32_t)(i % 14),
                                 .word = i,
                                 .place = i * 64,
                                 .first_step = (uint32_t)i / 2,
                                 .steps = (uint32_t)(i - i / 2) + 1}; /* up to its own step; 13 at most */
        struct dump_step step = {block.address, block.size, i % 3 ? block.stack : DUMP_STEP_UNTRACKED, 8};
        (void)builder_add(&builder, DUMP_PATHS, &path, sizeof path);
        (void)builder_add(&builder, DUMP_STEPS, &step, sizeof step);
        (void)builder_add(&builder, DUMP_BLOCKS, &block, sizeof block);
        for (uint32_t j = 1; j <= i % 4; j++) {
            struct dump_record record = {i, j + i, i, site.stack, site.stack, 0, 3, j, (int32_t)j, {0, j}};
            (void)builder_add(&builder, DUMP_RECORDS, &record, sizeof record);
        }
    }
    builder_stat(&builder, STAT_SCANNED, 1);
    for (uint32_t id = 1; id < 20; id++) builder_stat(&builder, id, (uint64_t)id * 1000);
    struct dump_refusal refusal = {.requested = 1, .operation = OP_NEW, .frame = 0x1100};
    (void)builder_add(&builder, DUMP_REFUSALS, &refusal, sizeof refusal);
    static const char *const names[] = {"/tmp/perf-4711.map", "void a.B.c(int)", "JS:*f /g.js:1:2", "py::h:/i.py"};
    for (uint64_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct dump_jit jit = {i ? 0xf00 + i * 512 : 1, i ? 640 : 0,
                               builder_string(&builder, names[i], strlen(names[i])), i ? 0 : JIT_MAP_READ, 0};
        (void)builder_add(&builder, DUMP_JIT, &jit, sizeof jit);
    }
    static const char list[] = "leak:fun\n\n# none\nleak:^a*b$\nrace:c\n";
    for (size_t i = 0; i < sizeof list - 1; i++) (void)builder_add(&builder, DUMP_SUPPRESSIONS, &list[i], 1);
    for (uint64_t i = 0; i < 6; i++) {
        struct dump_block part = {0x7f1000 + i * 48, 40, i, (uint32_t)i + 1, 3, (uint32_t)i % 5, 0};
        (void)builder_add(&builder, DUMP_POOLS, &part, sizeof part);
    }
    for (uint32_t i = 0; i < 4; i++) {
        struct dump_mark mark = {i, builder_string(&builder, names[i], strlen(names[i])), i + 1, 0};
        (void)builder_add(&builder, DUMP_MARKS, &mark, sizeof mark);
    }
    for (uint32_t i = 0; i < 4; i++) {
        struct dump_doing doing = {i, i + 1, i * 4, (int32_t)i, i, i, 0};
        struct dump_near near = {64, i, i, 60 + i * 3, i, i, i, i, i, i, i * 9};
        (void)builder_add(&builder, DUMP_DOINGS, &doing, sizeof doing);
        (void)builder_add(&builder, DUMP_NEARS, &near, sizeof near);
    }
    struct dump_thread thread = {3, 0, builder_string(&builder, "w", 1)};
    (void)builder_add(&builder, DUMP_THREADS, &thread, sizeof thread);
    file.bytes = builder_finish(&builder, &file.length);
    builder_free(&builder);
    return file;
}

static struct file read_file(const char *path) {
    struct file file = {0};
    FILE *stream = fopen(path, "rb");
    if (!stream) return file;
    (void)fseek(stream, 0, SEEK_END);
    file.length = (size_t)ftell(stream);
    rewind(stream);
    file.bytes = memory_get(file.length, 1);
    if (fread(file.bytes, 1, file.length, stream) != file.length) file.length = 0;
    (void)fclose(stream);
    return file;
}

static void write_file(const char *path, const struct file *file) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, file->bytes, file->length) != (ssize_t)file->length) abort();
    (void)close(fd);
}

/* One small change: a byte, a bit, a number that loves to overflow, a stretch copied from elsewhere. */
static void change(struct file *file, size_t least) {
    static const uint64_t numbers[] = {0, 1, UINT64_MAX, 1ull << 63, 0x7fffffff, 0xffff, 1ull << 48, 0x80};
    size_t at = least + (size_t)random_below(file->length - least);
    switch (random_below(4)) {
    case 0:
        file->bytes[at] = (char)random_below(256);
        return;
    case 1:
        file->bytes[at] = (char)(file->bytes[at] ^ 1 << random_below(8));
        return;
    case 2: {
        size_t size = 1u << random_below(4);
        uint64_t number = numbers[random_below(8)];
        at &= ~(size - 1);
        if (at >= least && at + size <= file->length) memcpy(file->bytes + at, &number, size);
        return;
    }
    default: {
        size_t from = least + (size_t)random_below(file->length - least), size = 1 + (size_t)random_below(32);
        size_t last = at > from ? at : from;
        if (last + size <= file->length) memmove(file->bytes + at, file->bytes + from, size);
    }
    }
}

/* A copy with some changes behind its first `least` bytes. */
static struct file break_file(const struct file *from, size_t least, uint64_t most) {
    struct file broken = {memory_get(from->length, 1), from->length};
    memcpy(broken.bytes, from->bytes, from->length);
    for (uint64_t changes = 1 + random_below(most); changes; changes--) change(&broken, least);
    return broken;
}

/* Some of the sites, and the blocks that were sought. */
static void explain(const struct view *view) {
    const struct merged *merged = view->merged;
    for (size_t i = 0; i < merged->site_count && i < 8; i++) {
        const struct dump *dump = merged->parts[0].dump;
        struct explained e[] = {explain_make(merged->sites[i], NULL, NULL),
                                explain_make(merged->sites[i], dump, dump->sought)};
        view_explain(view, e, 2, 0);
        view_explain_json(view, e, 2);
    }
}

/* All of them; into a folder of its own below $FORMS, whoever reads them there, or into nothing. */
static void write_forms(const struct view *of) {
    static unsigned long number;
    struct view live = *of, *view = &live;
    const char *below = getenv("FORMS");
    char *names = forms_names(), *rest = NULL, *arguments[32], *folder = memory_format("%s/%lu", below, number++);
    size_t count = 0;
    struct form_list list = {0};
    live.options.order = BY_BYTES; /* JSON has the same sites as the others, then */
    if (below) (void)mkdir(folder, 0755);
    for (char *name = strtok_r(names, ", ", &rest); name; name = strtok_r(NULL, ", ", &rest)) {
        arguments[count] = below ? memory_format("%s=%s/%s", name, folder, name) : memory_format("%s=/dev/null", name);
        if (!forms_add(&list, arguments[count++])) abort();
    }
    if (!forms_write(&list, view, false)) abort();
    forms_free(&list);
    while (count) free(arguments[--count]);
    free(folder);
    free(names);
}

static void forget(const char *what) {
    (void)what;
}

/* What the gate makes of it, by rules and a baseline of names that may be there. */
static void judge(struct merged *merged, struct symbols *symbols, const struct suppressions *known) {
    struct findings findings = {0};
    struct gate gate = {0};
    struct rules rules;
    struct repeats repeats;
    struct baseline baseline = {.path = "/no/such/baseline", .updates = random_below(2)};
    rules_start(&rules);
    free(rules_flag(&rules, RULE_LEAKED, "4K site *fun*"));
    free(rules_flag(&rules, RULE_LIVE, "1 site * program f*"));
    free(rules_flag(&rules, RULE_PEAK, "1 site *"));
    free(rules_flag(&rules, RULE_NEW_SITES, "0 program *"));
    findings_take(&findings, merged, symbols, true);
    free(baseline_bear(&baseline, &findings, merged, POLICY_STRICT));
    gate_judge(&gate, merged, &rules, known, &findings);
    repeats_start(&repeats, 3, &rules);
    for (int i = 0; i < 3; i++) repeats_add(&repeats, &gate, &findings, &rules);
    repeats_judge(&repeats, &gate, &rules);
    free(repeats_line(&repeats));
    repeats_free(&repeats);
    baseline_free(&baseline);
    findings_free(&findings);
    gate_free(&gate);
    rules_free(&rules);
}

static void report(char *path) {
    struct merged merged = {0};
    struct symbol_options options = {.sysroot = ""};
    static const char *const marks[] = {NULL, NULL, "#2", "py::h:/i.py"};
    dump_seek(random_below(1 << 20));
    dump_split(random_below(8));
    marks_since(marks[random_below(4)]);
    merged_add(&merged, dump_open(path));
    if (merged.part_count) {
        FILE *nowhere = fopen("/dev/null", "w");
        if (!nowhere) abort();
        merged_build(&merged);
        enum merged_order order = (enum merged_order)random_below(BY_RATE + 1);
        merged_sort(&merged, order);
        merged_know_modules(&merged);
        (void)marks_are_there(&merged);
        struct view_options shown = {.rows = 10,
                                     .order = order,
                                     .details = 3,
                                     .full = random_below(2),
                                     .memory = random_below(2),
                                     .arena = random_below(2),
                                     .colour = true,
                                     .next = "next"};
        struct view view = {
            .out = nowhere, .merged = &merged, .symbols = symbols_new(&merged, &options), .options = shown};
        struct suppressions suppressions = {0};
        suppress_add_programs(&suppressions, &merged, forget);
        suppress_apply(&suppressions, &merged, view.symbols);
        merged_sort(&merged, order);
        view.suppressions = &suppressions;
        judge(&merged, view.symbols, &suppressions);
        view_text(&view);
        view.options.rows = view.options.details = VIEW_ALL;
        view_json(&view);
        explain(&view);
        write_forms(&view);
        suppress_free(&suppressions);
        symbols_free(view.symbols);
        (void)fclose(nowhere);
    }
    merged_free(&merged);
}

int main(int count, char **arguments) {
    if (count < 4) return 2;
    random_state = strtoull(arguments[1], NULL, 0) * 0x9e3779b97f4a7c15u + 1;
    unsigned long iterations = strtoul(arguments[2], NULL, 0), done = 0;
    char *dump_path = memory_format("%s/fuzzed.dump", arguments[3]),
         *elf_path = memory_format("%s/fuzzed.elf", arguments[3]);
    const char *beside_path = count > 5 ? arguments[5] : NULL;
    struct file elf = read_file(count > 4 ? arguments[4] : "/proc/self/exe"),
                beside = beside_path ? read_file(beside_path) : (struct file){0};
    if (!elf.length || (beside_path && !beside.length) || arguments[3][0] != '/') return 2;
    write_file(elf_path, &elf);
    struct file dump = base_dump(elf_path, elf_path);
    for (; done < iterations; done++) {
        struct file broken;
        if (done % 4 == 3) {
            bool is_beside = beside.length && done % 8 == 7;
            const struct file *from = is_beside ? &beside : &elf;
            const char *path = is_beside ? beside_path : elf_path;
            /* An ELF file keeps its headers and build-id in the first KiB; one iteration in eight breaks these too. */
            broken = break_file(from, !is_beside && done % 32 != 3 ? 1024 : 0, is_beside ? 8 : 64);
            write_file(dump_path, &dump);
            write_file(path, &broken);
            report(dump_path);
            write_file(path, from);
        } else {
            broken = break_file(&dump, 0, 6);
            if (done % 4 != 0) repair(broken.bytes, broken.length);
            if (random_below(8) == 0) broken.length = (size_t)random_below(broken.length);
            write_file(dump_path, &broken);
            report(dump_path);
        }
        free(broken.bytes);
    }
    printf("%lu files, seed %s\n", done, arguments[1]);
    (void)unlink(dump_path);
    (void)unlink(elf_path);
    free(dump_path);
    free(elf_path);
    free(elf.bytes);
    free(beside.bytes);
    free(dump.bytes);
    return 0;
}
