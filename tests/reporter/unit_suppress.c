/* Lists of suppressions: what is read of them, what is wrong with them, and whatever bytes they have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "reporter/symbols/glob.h"
#include "reporter/symbols/suppress.h"

static char path[64];

static int begin(void **state) {
    (void)state;
    strcpy(path, "/tmp/weir.suppress.XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int end(void **state) {
    (void)state;
    return unlink(path);
}

static char *read_bytes(struct suppressions *all, const char *bytes, size_t length) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, length, f), length);
    assert_int_equal(fclose(f), 0);
    *all = (struct suppressions){0};
    return suppress_read(all, path);
}

static const char mixed[] = "# both tools' in one file\n"
                            "leak:^lose_one$\n"
                            "\n"
                            "  leak:libfoo.so  \r\n"
                            "{\n"
                            "   a name, of <anything>\n"
                            "   Memcheck:Leak\n"
                            "   match-leak-kinds: definite, indirect\n"
                            "   fun:malloc\n"
                            "   # a comment\n"
                            "   ...\n"
                            "   fun:_ZN3app*\n"
                            "   obj:*/libbar.so\n"
                            "}\n"
                            "{\n"
                            "   of another kind\n"
                            "   Memcheck:Param\n"
                            "   write(buf)\n"
                            "   fun:write\n"
                            "}\n"
                            "{\n"
                            "   of all kinds of leaks\n"
                            "   Addrcheck,Memcheck:Leak\n"
                            "   fun:calloc\n"
                            "}\n";

static void both_tools_lists_are_read_as_they_are(void **state) {
    struct suppressions all;
    char *problem = read_bytes(&all, mixed, sizeof mixed - 1);
    (void)state;
    assert_null(problem);
    assert_int_equal(all.count, 4);
    assert_string_equal(all.rules[0].name, "^lose_one$");
    assert_int_equal(all.rules[0].line, 2);
    assert_string_equal(all.rules[1].name, "libfoo.so");
    assert_string_equal(all.rules[2].name, "a name, of <anything>");
    assert_int_equal(all.rules[2].verdicts, 1u << DUMP_LEAKED | 1u << DUMP_INDIRECT);
    assert_int_equal(all.rules[2].line_count, 4);
    assert_string_equal(all.rules[2].lines[3], "obj:*/libbar.so");
    assert_true(all.rules[3].valgrind && all.rules[3].verdicts & 1u << DUMP_POSSIBLE);
    suppress_free(&all);
}

static void what_is_wrong_is_said_with_its_line(void **state) {
    static const struct {
        const char *text, *problem;
    } cases[] = {{"leak:a\nrace:b\n", ":2: neither"},
                 {"leak:\n", ":1: the pattern is empty"},
                 {"{\n a\n Memcheck:Leak\n fun:malloc\n", ":4: the block does not end"},
                 {"{\n a\n Memcheck:Leak\n}\n", ":4: the block has no frame"},
                 {"{\n a\n Memcheck:Leak\n function:malloc\n}\n", ":4: a frame is"},
                 {"{\n a\n Memcheck:Leak\n match-leak-kinds: sure\n fun:malloc\n}\n", ":4: kinds of leaks"},
                 {"{\n a\n fun\n}\n", ":3: behind a block's name"},
                 {"{\n", ":1: the block does not end"},
                 {"{\n a\n", ":2: behind a block's name"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct suppressions all;
        char *problem = read_bytes(&all, cases[i].text, strlen(cases[i].text));
        if (!problem || !strstr(problem, cases[i].problem)) fail_msg("%s: %s", cases[i].text, problem);
        free(problem);
        suppress_free(&all);
    }
    struct suppressions all = {0};
    char *problem = suppress_read(&all, "/no/such/list");
    assert_non_null(strstr(problem, "/no/such/list: No such file"));
    free(problem);
}

/* Under the sanitizers: no read or write out of bounds, nothing lost; the list is read, or its fault has a line. */
static void any_bytes_are_read_or_refused(void **state) {
    char bytes[sizeof mixed];
    (void)state;
    for (size_t at = 0; at < sizeof mixed - 1; at++) {
        static const char others[] = {0, '\n', '{', '}', ':', ',', (char)0xff};
        for (size_t k = 0; k < sizeof others + 1; k++) {
            struct suppressions all;
            memcpy(bytes, mixed, sizeof mixed);
            if (k < sizeof others) bytes[at] = others[k];
            char *problem = read_bytes(&all, bytes, k < sizeof others ? sizeof mixed - 1 : at);
            if (problem && strncmp(problem, path, strlen(path)) != 0) fail_msg("byte %zu: %s", at, problem);
            free(problem);
            suppress_free(&all);
        }
    }
}

static void patterns_take_names_whole(void **state) {
    (void)state;
    assert_true(glob_matches("", ""));
    assert_true(glob_matches("*", ""));
    assert_true(glob_matches("a*c?", "abbcd"));
    assert_true(glob_matches("*_alloc*", "my_alloc"));
    assert_false(glob_matches("a", ""));
    assert_false(glob_matches("a?", "a"));
    assert_false(glob_matches("a*c", "abcd"));
    assert_false(glob_matches("", "a"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_tools_lists_are_read_as_they_are), cmocka_unit_test(what_is_wrong_is_said_with_its_line),
        cmocka_unit_test(any_bytes_are_read_or_refused), cmocka_unit_test(patterns_take_names_whole)};
    return cmocka_run_group_tests(tests, begin, end);
}
