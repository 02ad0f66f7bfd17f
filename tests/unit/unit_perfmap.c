/* Perf maps: which line names an address, whatever is in the file and however it comes in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shim/box/format.h"
#include "shim/box/perfmap.h"
#include "tests/lib/random.h"

#define ADDRESSES_MOST 64

static struct perfmap_address addresses[ADDRESSES_MOST];

static struct perfmap map_of(const uint64_t *wanted, size_t count) {
    struct perfmap m = {.addresses = addresses, .count = count};
    for (size_t i = 0; i < count; i++) addresses[i] = (struct perfmap_address){.address = wanted[i]};
    perfmap_begin(&m);
    return m;
}

/* All of a file, in pieces of so many bytes, as the shim reads it: what was not taken comes again with more behind it.
 */
static void feed(struct perfmap *m, const char *file, size_t length, size_t piece) {
    size_t offset = 0, have = 0;
    while (offset + have < length) {
        have = min_size(have + piece, length - offset);
        char *copy = malloc(have); /* its end is where the sanitizer sees a byte too far */
        assert_non_null(copy);
        memcpy(copy, file + offset, have);
        size_t taken = perfmap_take(m, copy, have, offset);
        free(copy);
        assert_true(taken <= have);
        offset += taken;
        have -= taken;
        if (perfmap_is_exhausted(m)) return;
    }
}

/* The name that an address has by the file, "" for none. */
static const char *name_of(const struct perfmap *m, const char *file, uint64_t address) {
    static char name[DUMP_JIT_NAME_MOST + 1];
    name[0] = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct perfmap_address *a = &m->addresses[i];
        uint64_t start, size;
        const char *at, *line = file + a->line - 1;
        if (a->address != address || a->line == 0) continue;
        assert_true(dump_jit_line(line, strchr(line, '\n'), &start, &size, &at));
        size_t length = perfmap_name_length(at, strchr(line, '\n'));
        assert_true(mem_hash(at, length) == a->hash);
        memcpy(name, at, length);
        name[length] = 0;
    }
    return name;
}

static void expect(const char *file, uint64_t address, const char *name) {
    struct perfmap m = map_of(&address, 1);
    feed(&m, file, strlen(file), strlen(file));
    const char *seen = name_of(&m, file, address);
    if (strcmp(seen, name) != 0)
        fail_msg("%#llx is \"%s\", not \"%s\", by %s", (unsigned long long)address, seen, name, file);
}

static void a_line_is_read_as_every_runtime_writes_it(void **state) {
    (void)state;
    expect("1000 20 foo\n", 0x1000, "foo");
    expect("0x0000000000001000 0x0000000000000020 void A.b(int, java.lang.String)\n", 0x101f,
           "void A.b(int, java.lang.String)"); /* a JVM's */
    expect("7f00ABCD0000 1A LazyCompile:~f a.js:1\r\n", 0x7f00abcd0019, "LazyCompile:~f a.js:1");
    expect("1000 20  py::f:/a b/c.py \n", 0x1000, " py::f:/a b/c.py");
    expect("1000 20 a\n1020 20 b\n", 0x1020, "b");
}

static void a_range_ends_before_its_end(void **state) {
    (void)state;
    expect("1000 20 a\n", 0xfff, "");
    expect("1000 20 a\n", 0x101f, "a");
    expect("1000 20 a\n", 0x1020, "");
    expect("1000 1 a\n", 0x1000, "a");
}

static void what_is_no_line_is_passed_over(void **state) {
    static const char *const none[] = {"\n",
                                       "1000\n",
                                       "1000 20\n",
                                       "1000 20 \n",
                                       "1000 0 a\n",
                                       "g000 20 a\n",
                                       "1000 -20 a\n",
                                       "-1000 20 a",
                                       "0x 20 a\n",
                                       "1000 0x a\n",
                                       "1000 20a\n",
                                       "# 1000 20 a\n",
                                       "1000,20,a\n",
                                       "1000 20 \r\n",
                                       "1000\n20 a",
                                       "11111111111111111 20 a\n",
                                       "1000 ffffffffffffffff a\n",
                                       "\1\2\3 \377\n",
                                       " \n"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(none); i++) {
        char file[128];
        (void)snprintf(file, sizeof file, "%s\n1000 20 b\n", none[i]);
        expect(none[i], 0x1000, "");
        expect(file, 0x1000, "b"); /* the next one counts */
    }
}

/* Whoever writes it may be at it. */
static void a_last_line_without_an_end_is_none(void **state) {
    (void)state;
    expect("1000 20 a\n1000 20 bcd", 0x1000, "a");
    expect("1000 20 abc", 0x1000, "");
}

static void of_several_lines_the_last_one_counts_and_that_is_noted(void **state) {
    static const char file[] = "1000 100 old\n1040 10 new\n1000 100 old\n1080 10 other\n2000 10 x\n2000 10 x\n";
    static const uint64_t wanted[] = {0x1000, 0x1045, 0x1085, 0x2005};
    (void)state;
    struct perfmap m = map_of(wanted, ARRAY_LENGTH(wanted));
    feed(&m, file, strlen(file), strlen(file));
    assert_string_equal(name_of(&m, file, 0x1000), "old");
    assert_string_equal(name_of(&m, file, 0x1045), "old");
    assert_string_equal(name_of(&m, file, 0x1085), "other");
    assert_false(m.addresses[0].reused || m.addresses[3].reused); /* the same name is no other code */
    assert_true(m.addresses[1].reused && m.addresses[2].reused);
    perfmap_by_line(&m);
    for (size_t i = 1; i < m.count; i++) assert_true(m.addresses[i - 1].line <= m.addresses[i].line);
}

static void a_line_longer_than_any_is_dropped_and_the_next_one_read(void **state) {
    size_t length = 5 * PERFMAP_LINE_MOST;
    char *file = malloc(length + 64);
    uint64_t address = 0x1000;
    (void)state;
    assert_non_null(file);
    memset(file, 'x', length);
    for (int i = 0; i < 8; i++) file[i] = "1000 20 "[i];
    (void)strcpy(file + length, "\n1000 20 after\n");
    for (size_t piece = PERFMAP_LINE_MOST / 2; piece < 2 * PERFMAP_LINE_MOST; piece += 4099) {
        struct perfmap m = map_of(&address, 1);
        feed(&m, file, strlen(file), piece);
        assert_string_equal(name_of(&m, file, address), "after");
    }
    free(file);
}

static void names_are_cut_and_addresses_counted_once(void **state) {
    static const uint64_t twice[] = {0x1000, 0x3000, 0x1000, 0x2000, 0x3000};
    char file[2 * DUMP_JIT_NAME_MOST];
    (void)state;
    memset(file, 'n', sizeof file);
    for (int i = 0; i < 8; i++) file[i] = "1000 20 "[i];
    (void)strcpy(file + sizeof file - 2, "\n");
    struct perfmap m = map_of(twice, ARRAY_LENGTH(twice));
    assert_int_equal(m.count, 3);
    feed(&m, file, strlen(file), strlen(file));
    assert_int_equal(strlen(name_of(&m, file, 0x1000)), DUMP_JIT_NAME_MOST);
}

/* A map whose every line names everything would take addresses times lines. */
static void hostile_maps_cost_no_more_than_is_allowed(void **state) {
    uint64_t wanted[ADDRESSES_MOST];
    (void)state;
    for (size_t i = 0; i < ADDRESSES_MOST; i++) wanted[i] = 0x1000 + i;
    struct perfmap m = map_of(wanted, ADDRESSES_MOST);
    size_t lines = 0;
    for (; !perfmap_is_exhausted(&m); lines++) (void)perfmap_take(&m, "1 ffffff0 a\n", 12, lines * 12);
    assert_true(m.work <= PERFMAP_WORK_MOST + 1);
    assert_true(lines <= PERFMAP_WORK_MOST / ADDRESSES_MOST + 1);
}

/* Line by line, without any cleverness. */
static const char *expected(const char *file, uint64_t address) {
    static char name[256];
    name[0] = 0;
    for (const char *line = file, *end; (end = strchr(line, '\n')); line = end + 1) {
        unsigned long long start, size;
        int at = 0;
        if (sscanf(line, "%llx %llx%n", &start, &size, &at) != 2 || line[at] != ' ') continue;
        if (address - start >= size) continue;
        (void)snprintf(name, sizeof name, "%.*s", (int)(end - line - at - 1), line + at + 1);
    }
    return name;
}

static void random_maps_in_random_pieces_are_read_as_line_by_line(void **state) {
    char file[4096];
    (void)state;
    for (int round = 0; round < 2000; round++) {
        uint64_t wanted[ADDRESSES_MOST];
        size_t length = 0, count = 1 + random_below(ADDRESSES_MOST);
        for (size_t i = 0; i < count; i++) wanted[i] = 0x1000 + random_below(0x200);
        for (uint64_t lines = random_below(40); lines > 0; lines--)
            length += (size_t)snprintf(file + length, sizeof file - length, "%s%llx %llx f%llu%s",
                                       random_below(2) ? "0x" : "", 0x1000ull + random_below(0x200),
                                       1ull + random_below(0x40), (unsigned long long)lines,
                                       lines == 1 && random_below(4) == 0 ? "" : "\n");
        file[length] = 0;
        struct perfmap m = map_of(wanted, count);
        feed(&m, file, length, 1 + random_below(64));
        for (size_t i = 0; i < count; i++) assert_string_equal(name_of(&m, file, wanted[i]), expected(file, wanted[i]));
    }
}

static void bytes_of_any_kind_do_no_harm(void **state) {
    static const char alphabet[] = "0123456789abcdefxX \t\n\r\n \0\377g-";
    char file[2048];
    (void)state;
    for (int round = 0; round < 5000; round++) {
        uint64_t wanted[8];
        size_t length = random_below(sizeof file);
        for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) wanted[i] = 1 + random_below(1ull << random_below(48));
        for (size_t i = 0; i < length; i++) file[i] = alphabet[random_below(sizeof alphabet - 1)];
        struct perfmap m = map_of(wanted, ARRAY_LENGTH(wanted));
        feed(&m, file, length, 1 + random_below(length + 1));
        for (size_t i = 0; i < m.count; i++) assert_true(m.addresses[i].line <= length);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_read_as_every_runtime_writes_it),
        cmocka_unit_test(a_range_ends_before_its_end),
        cmocka_unit_test(what_is_no_line_is_passed_over),
        cmocka_unit_test(a_last_line_without_an_end_is_none),
        cmocka_unit_test(of_several_lines_the_last_one_counts_and_that_is_noted),
        cmocka_unit_test(a_line_longer_than_any_is_dropped_and_the_next_one_read),
        cmocka_unit_test(names_are_cut_and_addresses_counted_once),
        cmocka_unit_test(hostile_maps_cost_no_more_than_is_allowed),
        cmocka_unit_test(random_maps_in_random_pieces_are_read_as_line_by_line),
        cmocka_unit_test(bytes_of_any_kind_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
