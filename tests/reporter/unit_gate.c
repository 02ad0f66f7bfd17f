/* What the gate reads and how it reckons: rules, baselines, identities, slopes; and files of any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "reporter/gate/repeat.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

static char path[64];

static int begin(void **state) {
    (void)state;
    strcpy(path, "/tmp/weir.gate.XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int end(void **state) {
    (void)state;
    return unlink(path);
}

static void write_bytes(const char *bytes, size_t length) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, length, f), length);
    assert_int_equal(fclose(f), 0);
}

static char *read_rules(struct rules *rules, const char *bytes, size_t length) {
    write_bytes(bytes, length);
    rules_start(rules);
    return rules_read(rules, path);
}

static char *read_baseline(struct baseline *baseline, const char *bytes, size_t length) {
    write_bytes(bytes, length);
    *baseline = (struct baseline){0};
    return baseline_read(baseline, path);
}

/* --- rules --- */

static const char some_rules[] = "# what this program may do\n"
                                 "max_leaked 0 # nothing\n"
                                 "\n"
                                 "max_leaked 4K site parse_*\r\n"
                                 "max_leaked 1M site \"operator new(unsigned long) *.cc\" program shop\n"
                                 "max_leaked any program sh\n"
                                 "  max_live\t64M program redis-*\n"
                                 "max_new_sites 3\n"
                                 "max_peak any\n"
                                 "max_growth 10K site \"say \\\"x\\\"\"\n"
                                 "policy new\n"
                                 "require_processes 2\n"
                                 "suppressions known.supp\n"
                                 "baseline /srv/base.json\n";

static void rules_are_read_line_by_line(void **state) {
    struct rules rules;
    char *problem = read_rules(&rules, some_rules, sizeof some_rules - 1);
    (void)state;
    if (problem) fail_msg("%s", problem);
    assert_int_equal(rules.count, RULE_KINDS + 8);
    const struct rule *rule = &rules.list[RULE_KINDS + 2];
    assert_string_equal(rule->site, "operator new(unsigned long) *.cc");
    assert_string_equal(rule->program, "shop");
    assert_int_equal(rule->most, 1 << 20);
    assert_non_null(strstr(rule->place, ":5"));
    assert_string_equal(rules.list[RULE_KINDS + 7].site, "say \"x\"");
    assert_int_equal(rules.policy, POLICY_NEW);
    assert_int_equal(rules.processes, 2);
    assert_string_equal(rules.suppressions[0], "/tmp/known.supp"); /* beside the rules */
    assert_string_equal(rules.baseline, "/srv/base.json");
    rules_free(&rules);
}

static uint64_t most_of(struct rules *rules, const char *function, const char *program) {
    struct identity identity = {
        .text = (char[]){"parse_all parse.c"}, .function = (char *)function, .place = (char[]){"x.c"}};
    char *text = NULL;
    assert_true(asprintf(&text, "%s x.c", function) > 0);
    identity.text = text;
    struct rule *rule = rules_for_site(rules, RULE_LEAKED, &identity, program);
    if (!rule) rule = rules_for_program(rules, RULE_LEAKED, program);
    free(text);
    return rule->most;
}

static void the_last_rule_that_matches_holds_and_sites_go_before_programs(void **state) {
    static const char text[] = "max_leaked 1 program a*\nmax_leaked 2 program ab\nmax_leaked 3 site f*\n"
                               "max_leaked 4 site \"fg x.c\"\nmax_leaked 5 site fgh program z\nmax_leaked 6\n";
    struct rules rules;
    char *problem = read_rules(&rules, text, sizeof text - 1);
    (void)state;
    assert_null(problem);
    assert_int_equal(most_of(&rules, "g", "z"), 6);
    assert_int_equal(most_of(&rules, "g", "abc"), 1);
    assert_int_equal(most_of(&rules, "g", "ab"), 2);
    assert_int_equal(most_of(&rules, "f", "ab"), 3);
    assert_int_equal(most_of(&rules, "fg", "ab"), 4);
    assert_int_equal(most_of(&rules, "fgh", "ab"), 3);
    assert_int_equal(most_of(&rules, "fgh", "z"), 5);
    assert_null(rules_flag(&rules, RULE_LEAKED, "7"));
    assert_int_equal(most_of(&rules, "g", "z"), 7); /* flags go before the file, each with its like */
    assert_int_equal(most_of(&rules, "g", "ab"), 2);
    assert_null(rules_flag(&rules, RULE_LEAKED, "8 site f"));
    assert_int_equal(most_of(&rules, "f", "ab"), 8);
    rules_free(&rules);
}

static void what_is_wrong_with_rules_is_said_with_its_line(void **state) {
    static const struct {
        const char *text, *problem;
    } cases[] = {{"max_leaked 0\nmax_leeked 4\n", ":2: a line begins with max_leaked"},
                 {"max_leaked\n", ":1: a limit is missing"},
                 {"max_leaked 4Q\n", ":1: not a size"},
                 {"max_leaked -1\n", ":1: not a size"},
                 {"max_leaked 10%\n", ":1: not a size"},
                 {"max_new_sites 1K\n", ":1: not a number of sites"},
                 {"max_new_sites 99999999999999999999\n", ":1: not a number of sites"},
                 {"max_leaked 4K at x\n", ":1: behind a limit stand site"},
                 {"max_leaked 4K site\n", ":1: a pattern is missing"},
                 {"max_leaked 4K site \"\"\n", ":1: an empty pattern"},
                 {"max_leaked 4K site a site b\n", ":1: a word is given twice"},
                 {"max_leaked 4K site \"a\n", ":1: the quotes do not end"},
                 {"max_leaked 4K site \"a\"b\n", ":1: behind a quoted word"},
                 {"max_peak 4K site a program b\n", ":1: of a peak either"},
                 {"policy lax\n", ":1: a policy is"},
                 {"policy new strict\n", ":1: it has one value"},
                 {"require_processes some\n", ":1: not a number of processes"},
                 {"suppressions\n", ":1: a value is missing"},
                 {"baseline a\nbaseline b\n", ":2: there is one baseline"}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rules rules;
        char *problem = read_rules(&rules, cases[i].text, strlen(cases[i].text));
        if (!problem || !strstr(problem, cases[i].problem)) fail_msg("%s: %s", cases[i].text, problem);
        free(problem);
        rules_free(&rules);
    }
    struct rules rules;
    char *problem = read_rules(&rules, "max_leaked 1\0 2\n", 16);
    assert_non_null(strstr(problem, ":1: there is a zero byte"));
    free(problem);
    rules_free(&rules);
    rules_start(&rules);
    problem = rules_read(&rules, "/no/such/rules");
    assert_string_equal(problem, "/no/such/rules: No such file or directory");
    free(problem);
    problem = rules_flag(&rules, RULE_NEW_SITES, "x\033");
    assert_string_equal(problem, "--max-new-sites=x\\x1b: not a number of sites (try 0)");
    free(problem);
    rules_free(&rules);
}

/* --- baselines --- */

static const char some_baseline[] =
    "{\"schema\": \"weir-baseline-1\", \"platform\": \"x86_64-linux-gnu\", \"sites\": [\n"
    " {\"site\": \"order_new shop.c\", \"verdict\": \"leaked\", \"blocks\": 3, \"bytes\": 48},\n"
    " {\"site\": \"copy shop.c\", \"verdict\": \"possible\", \"blocks\": 1, \"bytes\": 0,\n"
    "  \"reason\": \"it is \\u00e9\", \"expires\": \"2024-02-29\"}]}\n";

static void baselines_are_read(void **state) {
    struct baseline baseline;
    char *problem = read_baseline(&baseline, some_baseline, sizeof some_baseline - 1);
    (void)state;
    if (problem) fail_msg("%s", problem);
    assert_true(baseline.exists);
    assert_int_equal(baseline.entries.count, 2);
    assert_string_equal(baseline.entries.list[0]->site, "copy shop.c"); /* by site */
    assert_int_equal(baseline.entries.list[0]->verdict, DUMP_POSSIBLE);
    assert_string_equal(baseline.entries.list[0]->expires, "2024-02-29");
    assert_true(baseline_has_expired(&baseline, baseline.entries.list[0]));
    assert_false(baseline_has_expired(&baseline, baseline.entries.list[1]));
    assert_int_equal(baseline.entries.list[1]->bytes, 48);
    baseline_free(&baseline);
    assert_null(baseline_read(&baseline, "/no/such/baseline"));
    assert_false(baseline.exists);
    baseline_free(&baseline);
}

static void what_is_wrong_with_baselines_is_said(void **state) {
    static const char head[] = "{\"schema\": \"weir-baseline-1\", \"platform\": \"p\", \"sites\": ";
    static const struct {
        const char *before, *text, *problem;
    } cases[] = {
        {"", "", "line 1: "},
        {"", "[1, 2]", "it is no baseline"},
        {"", "{\"version\": 1}", "it is no baseline"},
        {"", "{\"schema\": \"weir-baseline-2\"}", "of another version"},
        {"", "{\"schema\": \"weir-baseline-1\", \"schema\": \"weir-baseline-1\"}", "line 1: duplicate"},
        {"", "{\"schema\": \"weir-baseline-1\", \"sites\": []}", "platform: a text"},
        {"", "{\"schema\": \"weir-baseline-1\", \"platform\": \"p\", \"x\\u001b\": 1, \"sites\": []}",
         "unknown member \"x\\x1b\""},
        {head, "{}}", "sites: an array"},
        {head, "[1]}", "sites[0]: an object"},
        {head, "[{\"site\": \"\"}]}", "sites[0].site: a text"},
        {head, "[{\"site\": \"a\", \"verdict\": \"in_use\"}]}", "sites[0].verdict: "},
        {head, "[{\"site\": \"a\", \"verdict\": \"leaked\", \"blocks\": 0}]}", "sites[0].blocks: "},
        {head, "[{\"site\": \"a\", \"verdict\": \"leaked\", \"blocks\": 1.5}]}", "sites[0].blocks: "},
        {head, "[{\"site\": \"a\", \"verdict\": \"leaked\", \"blocks\": 1, \"bytes\": -1}]}", "sites[0].bytes: "},
        {head, "[{\"site\": \"a\", \"verdict\": \"leaked\", \"blocks\": 1, \"bytes\": 1, \"reason\": 7}]}",
         "sites[0].reason: "},
        {head,
         "[{\"site\": \"a\", \"verdict\": \"leaked\", \"blocks\": 1, \"bytes\": 1, \"expires\": \"2030-01-01\"}]}",
         "sites[0].expires: what has no reason"},
        {head,
         "[{\"site\": \"a\", \"verdict\": \"leaked\", \"blocks\": 1, \"bytes\": 1, \"reason\": \"r\", \"expires\": "
         "\"2023-02-29\"}]}",
         "sites[0].expires: a date"},
        {head,
         "[{\"site\": \"a\", \"verdict\": \"leaked\", \"blocks\": 1, \"bytes\": 1}, {\"site\": \"a\", \"verdict\": "
         "\"leaked\", \"blocks\": 2, \"bytes\": 1}]}",
         "sites[1].site: it is there twice"},
        {head, "[{\"site\": \"a\", \"verdict\": \"leaked\", \"blocks\": 1, \"bytes\": 1, \"why\": 1}]}",
         "sites[0]: unknown member \"why\""},
        {head, "[]} x", "line 1: end of file expected"}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct baseline baseline;
        char *text = NULL;
        assert_true(asprintf(&text, "%s%s", cases[i].before, cases[i].text) >= 0);
        char *problem = read_baseline(&baseline, text, strlen(text));
        if (!problem || !strstr(problem, cases[i].problem)) fail_msg("%s: %s", text, problem);
        free(problem);
        free(text);
        baseline_free(&baseline);
    }
    struct baseline baseline = {0};
    char *problem = baseline_read(&baseline, "/dev/zero");
    assert_string_equal(problem, "/dev/zero: it is no regular file");
    free(problem);
    baseline_free(&baseline);
}

static void dates_are_those_that_there_are(void **state) {
    (void)state;
    assert_true(baseline_is_date("2024-02-29") && baseline_is_date("2000-02-29") && baseline_is_date("2030-12-31"));
    static const char *const others[] = {"",           "2023-02-29", "1900-02-29", "2030-13-01",  "2030-00-01",
                                         "2030-04-31", "2030-1-1",   "30-12-31",   "2030-12-31 ", "2030/12/31"};
    for (size_t i = 0; i < COUNT(others); i++) assert_false(baseline_is_date(others[i]));
}

/* --- the ratchet --- */

static struct finding *leak(struct findings *findings, const char *site, uint64_t blocks, uint64_t bytes) {
    struct finding *finding = calloc(1, sizeof *finding);
    assert_non_null(finding);
    finding->identity =
        (struct identity){.text = strdup(site), .function = strdup(site), .place = strdup("x.c"), .known = true};
    finding->verdict = DUMP_LEAKED;
    finding->blocks = blocks;
    finding->bytes = bytes;
    finding->is_new = true;
    findings->list = realloc(findings->list, (findings->count + 1) * sizeof(void *));
    assert_non_null(findings->list);
    findings->list[findings->count++] = finding;
    return finding;
}

/* A run with leaks of sites a and b, judged by the file; the bytes of each that are borne. */
static void run(struct baseline *baseline, const uint64_t leaks[2], uint64_t borne[2], enum policy policy) {
    static const struct merged none;
    static const char *const sites[] = {"a", "b"};
    struct findings findings = {0};
    struct finding *found[2] = {0};
    for (int i = 0; i < 2; i++)
        if (leaks[i]) found[i] = leak(&findings, sites[i], leaks[i], leaks[i] * 10);
    assert_null(baseline_bear(baseline, &findings, &none, policy));
    for (int i = 0; i < 2; i++) borne[i] = found[i] ? found[i]->borne_bytes : 0;
    findings_free(&findings);
}

static void begin_baseline(struct baseline *baseline, bool updates, const struct acceptance *acceptance) {
    *baseline = (struct baseline){0};
    char *problem = baseline_read(baseline, path);
    if (problem) fail_msg("%s", problem);
    baseline->updates = updates;
    baseline->acceptance = acceptance;
}

static void update(const uint64_t leaks[][2], size_t runs, const struct acceptance *acceptance) {
    struct baseline baseline;
    uint64_t borne[2];
    begin_baseline(&baseline, true, acceptance);
    for (size_t i = 0; i < runs; i++) run(&baseline, leaks[i], borne, POLICY_NEW);
    assert_null(baseline_update(&baseline));
    baseline_free(&baseline);
}

static void expect_borne(const uint64_t leaks[2], enum policy policy, uint64_t a, uint64_t b) {
    struct baseline baseline;
    uint64_t borne[2];
    begin_baseline(&baseline, false, NULL);
    run(&baseline, leaks, borne, policy);
    assert_int_equal(borne[0], a);
    assert_int_equal(borne[1], b);
    baseline_free(&baseline);
}

static void a_baseline_only_ever_falls_unless_something_is_accepted(void **state) {
    static const uint64_t first[][2] = {{3, 0}, {5, 0}}, more[][2] = {{9, 4}}, less[][2] = {{2, 0}},
                          none[][2] = {{0, 0}};
    bool used[1] = {false};
    char *sites[] = {(char[]){"b*"}};
    struct acceptance accepts = {.sites = sites, .used = used, .count = 1, .reason = "why", .expires = "2999-01-01"};
    (void)state;
    assert_int_equal(unlink(path), 0);
    update(first, 2, NULL);
    expect_borne(more[0], POLICY_NEW, 50, 0);   /* the most of both runs */
    expect_borne(more[0], POLICY_STRICT, 0, 0); /* it has no reason */
    update(more, 1, NULL);
    expect_borne(more[0], POLICY_NEW, 50, 0);
    update(less, 1, NULL);
    expect_borne(more[0], POLICY_NEW, 20, 0);
    update(more, 1, &accepts);
    assert_true(used[0]);
    expect_borne(more[0], POLICY_NEW, 20, 40);
    expect_borne(more[0], POLICY_STRICT, 0, 40);
    update(none, 1, NULL);
    expect_borne(more[0], POLICY_NEW, 0, 0);
}

static void a_baseline_that_cannot_be_written_stays_as_it_is(void **state) {
    struct baseline baseline = {.path = "/proc/self/none.json"};
    (void)state;
    char *problem = baseline_update(&baseline);
    assert_non_null(strstr(problem, "/proc/self/none.json: cannot be written: "));
    free(problem);
    baseline_free(&baseline);
}

/* --- names --- */

static void names_are_the_same_whoever_compiled_them(void **state) {
    static const char *const cases[][2] = {{"parse", "parse"},
                                           {"parse.constprop.0", "parse"},
                                           {"parse.isra.0.cold", "parse"},
                                           {"parse.part.0", "parse"},
                                           {"parse.cold", "parse"},
                                           {"parse.llvm.123456", "parse"},
                                           {"app::parse [clone .constprop.0] [clone .isra.0]", "app::parse"},
                                           {"com.part.Order.coldest", "com.part.Order.coldest"},
                                           {"core::fmt::write::h0123456789abcdef", "core::fmt::write"},
                                           {"f(std::__cxx11::string)", "f(std::string)"},
                                           {"std::__1::vector<int>::push_back", "std::vector<int>::push_back"},
                                           {"name[abi:cxx11]", "name"},
                                           {"main::{lambda(int)#1}::operator()", "main::{lambda}::operator()"},
                                           {"main::$_0::operator()", "main::{lambda}::operator()"},
                                           {"main::'lambda1'(int)::operator()", "main::{lambda}::operator()"},
                                           {"<lambda(int)>::operator()", "{lambda}::operator()"},
                                           {"$_0$_1", "{lambda}{lambda}"},
                                           {"{lambda(", "{lambda("},
                                           {"'lambda", "'lambda"},
                                           {"x[abi:", "x[abi:"},
                                           {"", ""}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *name = calloc(4 * strlen(cases[i][0]) + 16, 1);
        assert_non_null(name);
        strcpy(name, cases[i][0]);
        identity_normalise(name);
        assert_string_equal(name, cases[i][1]);
        free(name);
    }
}

static void slopes_are_the_median_of_all(void **state) {
    static const double even[] = {1, 3, 5, 7, 9}, one_far_off[] = {10, 10, 1000, 10, 10}, falls[] = {3, 2, 1};
    (void)state;
    assert_float_equal(repeats_slope(even, 5), 2, 1e-9);
    assert_float_equal(repeats_slope(one_far_off, 5), 0, 1e-9);
    assert_float_equal(repeats_slope(falls, 3), -1, 1e-9);
    assert_float_equal(repeats_slope(even, 1), 0, 1e-9);
}

/* --- any bytes --- */

/* Under the sanitizers: no read or write out of bounds, nothing lost; the file is read, or its fault has the path. */
static void try_rules(const char *bytes, size_t length) {
    struct rules rules;
    char *problem = read_rules(&rules, bytes, length);
    if (problem && strncmp(problem, path, strlen(path)) != 0) fail_msg("%s", problem);
    free(problem);
    rules_free(&rules);
}

static void try_baseline(const char *bytes, size_t length) {
    struct baseline baseline;
    char *problem = read_baseline(&baseline, bytes, length);
    if (problem && strncmp(problem, path, strlen(path)) != 0) fail_msg("%s", problem);
    free(problem);
    baseline_free(&baseline);
}

static void try_broken(const char *whole, size_t size, void (*try)(const char *bytes, size_t length)) {
    static const char others[] = {0, '\n', '"', '\\', '{', ',', ' ', '9', (char)0xff};
    char *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t at = 0; at < size; at++)
        for (size_t k = 0; k <= sizeof others; k++) {
            memcpy(bytes, whole, size);
            if (k < sizeof others) bytes[at] = others[k];
            try(bytes, k < sizeof others ? size : at);
        }
    free(bytes);
}

static void any_bytes_are_read_or_refused(void **state) {
    (void)state;
    try_broken(some_rules, sizeof some_rules - 1, try_rules);
    try_broken(some_baseline, sizeof some_baseline - 1, try_baseline);
}

static void any_names_are_normalised(void **state) {
    static const char pieces[][12] = {"{lambda(", "<lambda(", "'lambda", "$_",      ")",  ">", "}",
                                      "'",        "[abi:",    "]",       ".part.0", "::", "x"};
    uint64_t random = 1;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        char raw[128] = "";
        for (int j = 0; j < 10; j++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            strcat(raw, pieces[(random >> 33) % COUNT(pieces)]);
        }
        char *name = calloc(4 * strlen(raw) + 16, 1);
        assert_non_null(name);
        strcpy(name, raw);
        identity_normalise(name);
        free(name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rules_are_read_line_by_line),
                                       cmocka_unit_test(the_last_rule_that_matches_holds_and_sites_go_before_programs),
                                       cmocka_unit_test(what_is_wrong_with_rules_is_said_with_its_line),
                                       cmocka_unit_test(baselines_are_read),
                                       cmocka_unit_test(what_is_wrong_with_baselines_is_said),
                                       cmocka_unit_test(dates_are_those_that_there_are),
                                       cmocka_unit_test(a_baseline_only_ever_falls_unless_something_is_accepted),
                                       cmocka_unit_test(a_baseline_that_cannot_be_written_stays_as_it_is),
                                       cmocka_unit_test(names_are_the_same_whoever_compiled_them),
                                       cmocka_unit_test(slopes_are_the_median_of_all),
                                       cmocka_unit_test(any_bytes_are_read_or_refused),
                                       cmocka_unit_test(any_names_are_normalised)};
    return cmocka_run_group_tests(tests, begin, end);
}
