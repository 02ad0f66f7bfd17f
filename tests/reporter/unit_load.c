/* What the loader promises of broken files: it never crashes, and says where and what is wrong. Runs under ASan and
 * UBSan; every broken file also goes through merging and both views. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "reporter/load/crc32c.h"
#include "reporter/load/marks.h"
#include "reporter/view/explain.h"
#include "tests/reporter/dump_builder.h"

static char *small_dump(size_t *length) {
    struct builder builder;
    builder_init(&builder);
    builder.process.name = builder_string(&builder, "small", 5);
    builder.process.fork_time = 2000000000u;
    struct dump_option option = {builder_string(&builder, "WEIR_LEVEL", 10), builder_string(&builder, "paranoid", 8)};
    (void)builder_add(&builder, DUMP_OPTIONS, &option, sizeof option);
    (void)builder_module(&builder, "/nowhere/small", NULL, DUMP_MODULE_PROGRAM);
    (void)builder_module(&builder, "/nowhere/libother.so.1", NULL, 0);
    struct dump_segment segment = {.address = 0x1000, .size = 0x1000, .flags = 5, .module = 1};
    (void)builder_add(&builder, DUMP_SEGMENTS, &segment, sizeof segment);
    for (uint64_t i = 0; i < 3; i++) {
        uint64_t frames[] = {0x1005 + i, (1ull << 48) | 0x1010, (0xffffull << 48) | 0x7f0000000000};
        uint32_t stack = (uint32_t)builder_stack(&builder, frames, i + 1, 1);
        struct dump_block block = {.address = 64, .size = 100, .time = 3000000000u, .stack = stack, .thread = 7};
        (void)builder_add(&builder, DUMP_BLOCKS, &block, sizeof block);
        struct dump_site site = {.stack = stack, .threads = 1, .blocks = 1, .bytes = 100, .oldest = block.time};
        (void)builder_add(&builder, DUMP_SITES, &site, sizeof site);
    }
    builder_stat(&builder, STAT_DIRECT_USED, 4096);
    struct dump_class class = {
        .size = 64, .slabs = 1, .live = 3, .capacity = 1024, .committed = 65536, .occupancy = {0, 1}};
    (void)builder_add(&builder, DUMP_CLASSES, &class, sizeof class);
    for (uint32_t kind = MEMORY_LIVE; kind <= MEMORY_KINDS; kind++) { /* one more than is known */
        struct dump_memory row = {.kind = kind, .resident = 4096, .charged = 8192, .count = 1};
        (void)builder_add(&builder, DUMP_MEMORY, &row, sizeof row);
    }
    struct dump_mapping mapping = {.address = 0x7f0000000000, .size = 8192, .charged = 4096, .stack = 1, .thread = 7};
    (void)builder_add(&builder, DUMP_MAPPINGS, &mapping, sizeof mapping);
    struct dump_unaccounted range = {.address = 0x7f0000000000, .size = 8192, .resident = 4096, .permissions = 6};
    (void)builder_add(&builder, DUMP_UNACCOUNTED, &range, sizeof range);
    struct dump_total total = {
        .stack = 1, .samples = 3, .allocations = 3 << 10, .bytes = 300 << 10, .lifetimes = {1, 1}};
    (void)builder_add(&builder, DUMP_TOTALS, &total, sizeof total);
    struct dump_block part = {.address = 72, .size = 8, .time = 3000000000u, .stack = 2, .thread = 7, .verdict = 1};
    (void)builder_add(&builder, DUMP_POOLS, &part, sizeof part);
    for (uint32_t i = 1; i <= 2; i++) {
        struct dump_mark mark = {i * 1000000000ull, builder_string(&builder, "mark", 4), i, 0};
        (void)builder_add(&builder, DUMP_MARKS, &mark, sizeof mark);
    }
    for (const char *c = "leak:a\n"; *c; c++) (void)builder_add(&builder, DUMP_SUPPRESSIONS, c, 1);
    struct dump_string hint = builder_string(&builder, "a hint", 6);
    for (uint32_t i = 1; i <= 3; i++) { /* the last of a kind that is not known */
        struct dump_record record = {64, 7 - i, 3000000000u, i % 3, 1, 0, 7, i < 3 ? i : 1000, -1, hint};
        (void)builder_add(&builder, DUMP_RECORDS, &record, sizeof record);
    }
    for (uint32_t i = 0; i < 3; i++) { /* the last of a kind that is not known */
        struct dump_doing doing = {7 + i, i, 11 + i, 1, 0x1000, i, 0};
        struct dump_near near = {
            64, 100, 112, 64 + 50 * i, 3000000000u, 1, i, 7, i, 1 + i, i < 2 ? NEAR_FAULT + i : 1000};
        (void)builder_add(&builder, DUMP_DOINGS, &doing, sizeof doing);
        (void)builder_add(&builder, DUMP_NEARS, &near, sizeof near);
    }
    builder_stat(&builder, STAT_SCANNED, 1);
    for (uint32_t i = 0; i < 3; i++) { /* the last of a kind that is not known */
        struct dump_path path = {.address = 64,
                                 .stack = i,
                                 .root = i == 0   ? ROOT_MODULE
                                         : i == 1 ? ROOT_POSSIBLE
                                                  : 1000,
                                 .place = i == 0 ? 1ull << 48 | 0x1100 : 0,
                                 .first_step = i,
                                 .steps = 3 - i,
                                 .name = hint};
        struct dump_step step = {.address = 64, .size = 100, .stack = i < 2 ? i : DUMP_STEP_UNTRACKED};
        (void)builder_add(&builder, DUMP_PATHS, &path, sizeof path);
        (void)builder_add(&builder, DUMP_STEPS, &step, sizeof step);
    }
    struct dump_refusal refusal = {.requested = 1, .operation = OP_MMAP, .frame = 0x1001};
    (void)builder_add(&builder, DUMP_REFUSALS, &refusal, sizeof refusal);
    struct dump_thread thread = {7, 0, builder_string(&builder, "worker", 6)};
    (void)builder_add(&builder, DUMP_THREADS, &thread, sizeof thread);
    char *bytes = builder_finish(&builder, length);
    builder_free(&builder);
    return bytes;
}

struct outcome {
    bool usable, whole, has_mark;
    uint64_t blocks;
    size_t mappers, records, paths;
    uint64_t discarded;
    char first[256];
};

/* All sites, and the block that was sought. */
static void explain(const struct view *view, const struct dump *dump) {
    for (size_t i = 0; i < view->merged->site_count; i++) {
        struct explained e[] = {explain_make(view->merged->sites[i], NULL, NULL),
                                explain_make(view->merged->sites[i], dump, dump->sought)};
        view_explain(view, e, 2, 1);
        view_explain_json(view, e, 2);
    }
}

static void show(struct dump *dump, struct outcome *outcome) {
    struct merged merged = {0};
    merged_add(&merged, dump);
    merged_build(&merged);
    merged_sort(&merged, BY_BYTES);
    merged_sort(&merged, BY_AGE); /* as often as one likes, such as after sites were suppressed */
    outcome->mappers = merged.mapper_count;
    outcome->blocks = merged.blocks;
    outcome->has_mark = marks_are_there(&merged);
    for (size_t i = 0; i < merged.site_count; i++) {
        outcome->records += merged.sites[i]->record_count;
        outcome->paths += merged.sites[i]->path != NULL;
        outcome->discarded += merged.sites[i]->record_discarded;
    }
    static unsigned shown_before; /* a process for the symbols of each is what takes the time */
    if (shown_before++ % 29 != 0 && !getenv("LONG")) {
        merged_free(&merged);
        return;
    }
    FILE *nowhere = fopen("/dev/null", "w");
    merged_know_modules(&merged);
    struct symbol_options options = {.sysroot = ""};
    struct view_options shown = {.rows = VIEW_ALL, .details = VIEW_ALL, .full = true};
    struct view view = {.out = nowhere, .merged = &merged, .symbols = symbols_new(&merged, &options), .options = shown};
    view_text(&view);
    view.options.order = BY_PEAK;
    view_text(&view);
    view_json(&view);
    explain(&view, dump);
    symbols_free(view.symbols);
    (void)fclose(nowhere);
    merged_free(&merged);
}

static struct outcome load(const char *bytes, size_t length) {
    struct outcome outcome = {0};
    int fd = memfd_create("dump", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    dump_seek(70);
    struct dump *dump = dump_open_fd(fd, length, "dump");
    outcome.usable = dump->usable;
    outcome.whole = dump->problem_count == 0;
    if (!outcome.whole) (void)snprintf(outcome.first, sizeof outcome.first, "%s", dump->problems[0]);
    if (dump->usable)
        show(dump, &outcome);
    else
        dump_close(dump);
    return outcome;
}

static void a_whole_dump_is_read_without_complaint(void **state) {
    size_t length = 0;
    char *bytes = small_dump(&length);
    struct outcome outcome = load(bytes, length);
    (void)state;
    assert_string_equal(outcome.first, "");
    assert_true(outcome.usable);
    assert_int_equal(outcome.blocks, 3);
    assert_int_equal(outcome.mappers, 1);
    assert_int_equal(outcome.records, 3);
    assert_int_equal(outcome.discarded, 3);
    assert_int_equal(outcome.paths, 3);
    free(bytes);
}

static void a_dump_cut_anywhere_says_at_which_byte(void **state) {
    size_t length = 0;
    char *bytes = small_dump(&length);
    (void)state;
    for (size_t cut = 0; cut < length; cut++) {
        struct outcome outcome = load(bytes, cut);
        if (outcome.whole) fail_msg("cut at %zu of %zu was taken for whole", cut, length);
        if (strncmp(outcome.first, "at byte ", 8) != 0) fail_msg("cut at %zu: %s", cut, outcome.first);
    }
    free(bytes);
}

/* Padding is the one place where a flipped byte changes nothing. */
static void a_dump_with_any_byte_flipped_is_either_named_or_the_same(void **state) {
    static const unsigned char flips[] = {0x01, 0x80, 0xff};
    size_t length = 0;
    char *bytes = small_dump(&length);
    (void)state;
    for (size_t at = 0; at < length * 3; at++) {
        bytes[at / 3] = (char)(bytes[at / 3] ^ flips[at % 3]);
        marks_since(at % 2 ? "mark" : NULL); /* before all blocks */
        struct outcome outcome = load(bytes, length);
        bytes[at / 3] = (char)(bytes[at / 3] ^ flips[at % 3]);
        if (outcome.whole && outcome.blocks != 3) fail_msg("byte %zu: %zu blocks", at / 3, (size_t)outcome.blocks);
        if (!outcome.whole && strncmp(outcome.first, "at byte ", 8) != 0)
            fail_msg("byte %zu: %s", at / 3, outcome.first);
    }
    marks_since(NULL);
    free(bytes);
}

/* The marks are of 1 and of 2 seconds, and so are the first two blocks; the third is of 3. */
static void what_was_made_since_a_mark_counts_alone(void **state) {
    static const struct {
        const char *mark;
        uint64_t blocks;
        bool there;
    } wanted[] = {{NULL, 3, true}, {"#1", 3, true},  {"mark", 2, true},
                  {"#2", 2, true}, {"#3", 0, false}, {"#", 0, false}};
    struct builder builder;
    size_t length = 0;
    (void)state;
    builder_init(&builder);
    uint64_t frame = 0xffff000000001000;
    struct dump_site site = {.stack = (uint32_t)builder_stack(&builder, &frame, 1, 0), .blocks = 3, .bytes = 30};
    (void)builder_add(&builder, DUMP_SITES, &site, sizeof site);
    for (uint64_t i = 1; i <= 3; i++) {
        struct dump_mark mark = {i * 1000000000ull, builder_string(&builder, "mark", 4), (uint32_t)i, 0};
        struct dump_block block = {.address = 64 * i, .size = 10, .time = i * 1000000000ull, .stack = site.stack};
        if (i < 3) (void)builder_add(&builder, DUMP_MARKS, &mark, sizeof mark);
        (void)builder_add(&builder, DUMP_BLOCKS, &block, sizeof block);
    }
    char *bytes = builder_finish(&builder, &length);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        marks_since(wanted[i].mark);
        struct outcome outcome = load(bytes, length);
        if (outcome.blocks != wanted[i].blocks || outcome.has_mark != wanted[i].there)
            fail_msg("%zu: %zu blocks", i, (size_t)outcome.blocks);
    }
    marks_since(NULL);
    free(bytes);
    builder_free(&builder);
}

static void a_longer_record_of_a_later_version_is_read(void **state) {
    struct builder builder;
    size_t length = 0;
    (void)state;
    builder_init(&builder);
    builder.extra_stride = 24;
    uint64_t frame = 0xffff000000001000;
    for (uint32_t i = 0; i < 5; i++) {
        struct dump_site site = {.stack = (uint32_t)builder_stack(&builder, &frame, 1, 0), .blocks = 2, .bytes = 20};
        (void)builder_add(&builder, DUMP_SITES, &site, sizeof site);
    }
    char *bytes = builder_finish(&builder, &length);
    struct outcome outcome = load(bytes, length);
    assert_string_equal(outcome.first, "");
    assert_int_equal(outcome.blocks, 10);
    free(bytes);
    builder_free(&builder);
}

/* A length of 2^63 with a right checksum: the file's word must not become memory. */
static void an_absurd_length_is_held_against_the_file(void **state) {
    size_t length = 0;
    char *bytes = small_dump(&length);
    struct dump_section section;
    (void)state;
    memcpy(&section, bytes + 64, sizeof section);
    section.length = 1ull << 63;
    section.header_crc = crc32c(0, &section, offsetof(struct dump_section, header_crc));
    memcpy(bytes + 64, &section, sizeof section);
    struct outcome outcome = load(bytes, length);
    assert_false(outcome.usable);
    assert_non_null(strstr(outcome.first, "at byte 64 (section process): the file is cut"));
    free(bytes);
}

static void the_checksum_is_crc32c(void **state) {
    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    uint32_t pieces = crc32c(crc32c(0, "12345", 5), "6789", 4);
    assert_int_equal(pieces, 0xe3069283);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_dump_is_read_without_complaint),
        cmocka_unit_test(a_dump_cut_anywhere_says_at_which_byte),
        cmocka_unit_test(a_dump_with_any_byte_flipped_is_either_named_or_the_same),
        cmocka_unit_test(what_was_made_since_a_mark_counts_alone),
        cmocka_unit_test(a_longer_record_of_a_later_version_is_read),
        cmocka_unit_test(an_absurd_length_is_held_against_the_file),
        cmocka_unit_test(the_checksum_is_crc32c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
