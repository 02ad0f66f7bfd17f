/* See rules.h. */
#include "reporter/gate/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/gate/identity.h"
#include "reporter/load/memory.h"
#include "reporter/run.h"
#include "reporter/symbols/glob.h"
#include "reporter/view/escape.h"

#define LINE_MOST 4096 /* bytes of a line */

const char *const rule_words[RULE_KINDS] = {"max_leaked", "max_possible", "max_new_sites",
                                            "max_live",   "max_peak",     "max_growth"};

/* --- words of a line --- */

/* The next word, ended in place; one in quotes may have blanks, and \" and \\ in it. NULL: there is none, or *wrong. */
static char *next_word(char **at, const char **wrong) {
    char *word = *at + strspn(*at, " \t"), *to = word, *from = word;
    bool quoted = *word == '"';
    if (!*word || *word == '#') return NULL;
    from += quoted;
    while (*from && (quoted ? *from != '"' : !strchr(" \t", *from))) {
        if (quoted && *from == '\\' && (from[1] == '"' || from[1] == '\\')) from++;
        *to++ = *from++;
    }
    if (quoted && (*from != '"' || (from[1] && !strchr(" \t", from[1])))) {
        *wrong = *from ? "behind a quoted word stands a blank" : "the quotes do not end";
        return NULL;
    }
    *at = *from ? from + 1 : from;
    *to = 0;
    return word;
}

/* A new string, or NULL and *wrong. */
static char *needed_word(char **at, const char **wrong, const char *missing) {
    char *word = next_word(at, wrong);
    if (!word && !*wrong) *wrong = missing;
    if (word && !*word) *wrong = "an empty pattern matches nothing";
    return word && *word ? memory_text(word, strlen(word)) : NULL;
}

static bool read_count(const char *word, uint64_t *count) {
    char *end = NULL;
    errno = 0;
    if (*word < '0' || *word > '9') return false;
    *count = strtoull(word, &end, 10);
    return !*end && !errno && *count < RULE_NO_LIMIT;
}

static bool read_most(enum rule_kind kind, const char *word, uint64_t *most, const char **wrong) {
    struct run_size size;
    *most = RULE_NO_LIMIT;
    if (strcmp(word, "any") == 0) return true;
    if (kind == RULE_NEW_SITES) {
        if (!read_count(word, most)) *wrong = "not a number of sites (try 0)";
        return !*wrong;
    }
    *most = 0;
    if (strcmp(word, "0") == 0) return true;
    if (!run_size(word, &size) || size.percent) *wrong = "not a size (try 4K)";
    *most = *wrong ? 0 : size.number;
    return !*wrong;
}

/* --- rules --- */

static void free_rule(struct rule *rule) {
    free(rule->site);
    free(rule->program);
    free(rule->place);
}

static void add(struct rules *rules, const struct rule *rule) {
    rules->list = memory_more(rules->list, &rules->capacity, rules->count + 1, sizeof *rules->list);
    rules->list[rules->count++] = *rule;
}

/* What stands behind the kind. */
static void read_rule(struct rule *rule, char *at, const char **wrong) {
    char *word = next_word(&at, wrong);
    if (!word && !*wrong) *wrong = "a limit is missing";
    if (!word || !read_most(rule->kind, word, &rule->most, wrong)) return;
    while ((word = next_word(&at, wrong)) != NULL) {
        char **to = strcmp(word, "site") == 0 ? &rule->site : strcmp(word, "program") == 0 ? &rule->program : NULL;
        if (!to || *to) {
            *wrong = to ? "a word is given twice" : "behind a limit stand site PATTERN, program PATTERN, or nothing";
            return;
        }
        *to = needed_word(&at, wrong, "a pattern is missing");
        if (*wrong) return;
    }
    if (rule->kind == RULE_PEAK && rule->site && rule->program)
        *wrong = "of a peak either the site is known or the program, not both";
}

static bool take_rule(struct rules *rules, enum rule_kind kind, char *at, const char *place, bool flag,
                      const char **wrong) {
    struct rule rule = {.kind = kind, .flag = flag, .place = memory_text(place, strlen(place))};
    read_rule(&rule, at, wrong);
    if (*wrong)
        free_rule(&rule);
    else
        add(rules, &rule);
    return !*wrong;
}

void rules_start(struct rules *rules) {
    *rules = (struct rules){0};
    for (int kind = 0; kind < RULE_KINDS; kind++) {
        struct rule rule = {.kind = (enum rule_kind)kind, .most = kind == RULE_LEAKED ? 0 : RULE_NO_LIMIT};
        rule.place = memory_text("", 0);
        add(rules, &rule);
    }
}

void rules_free(struct rules *rules) {
    for (size_t i = 0; i < rules->count; i++) free_rule(&rules->list[i]);
    for (size_t i = 0; i < rules->suppression_count; i++) free(rules->suppressions[i]);
    free(rules->suppressions);
    free(rules->baseline);
    free(rules->list);
    *rules = (struct rules){0};
}

char *rules_flag(struct rules *rules, enum rule_kind kind, const char *value) {
    const char *wrong = NULL;
    char *line = memory_text(value, strlen(value)), *place = memory_format("--%s", rule_words[kind]), *problem = NULL;
    for (char *at = place; *at; at++)
        if (*at == '_') *at = '-';
    if (!take_rule(rules, kind, line, place, true, &wrong)) {
        char *shown = escape_string(value);
        problem = memory_format("%s=%s: %s", place, shown, wrong);
        free(shown);
    }
    free(place);
    free(line);
    return problem;
}

bool rules_policy(const char *word, enum policy *policy) {
    static const char *const words[] = {"report", "new", "strict"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(word, words[i]) != 0) continue;
        *policy = (enum policy)(POLICY_REPORT + i);
        return true;
    }
    return false;
}

/* --- the file --- */

/* A file that the rules name lies where they do. */
static char *beside(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    if (!slash || *name == '/') return memory_text(name, strlen(name));
    return memory_format("%.*s/%s", (int)(slash - path), path, name);
}

static void take_policy(struct rules *rules, const char *word, const char **wrong) {
    enum policy policy;
    if (!rules_policy(word, &policy))
        *wrong = "a policy is report, new or strict";
    else if (!rules->policy_by_flag)
        rules->policy = policy;
}

static void take_processes(struct rules *rules, const char *word, const char **wrong) {
    uint64_t count;
    if (!read_count(word, &count) || count > 1000000000)
        *wrong = "not a number of processes";
    else if (!rules->processes_by_flag)
        rules->processes = (size_t)count;
}

static void take_suppressions(struct rules *rules, const char *path, const char *word) {
    rules->suppressions = memory_more(rules->suppressions, &rules->suppression_capacity, rules->suppression_count + 1,
                                      sizeof *rules->suppressions);
    rules->suppressions[rules->suppression_count++] = beside(path, word);
}

static void take_value(struct rules *rules, size_t which, const char *value, const char *path, const char **wrong) {
    if (which == 0) take_policy(rules, value, wrong);
    if (which == 1) take_processes(rules, value, wrong);
    if (which == 2) take_suppressions(rules, path, value);
    if (which != 3) return;
    if (rules->baseline)
        *wrong = "there is one baseline";
    else
        rules->baseline = beside(path, value);
}

/* False: the word is none of these. */
static bool take_other(struct rules *rules, const char *word, char *at, const char *path, const char **wrong) {
    static const char *const words[] = {"policy", "require_processes", "suppressions", "baseline"};
    size_t which = 0;
    while (which < 4 && strcmp(word, words[which]) != 0) which++;
    if (which == 4) return false;
    char *value = needed_word(&at, wrong, "a value is missing");
    if (value && next_word(&at, wrong)) *wrong = "it has one value";
    if (value && !*wrong) take_value(rules, which, value, path, wrong);
    free(value);
    return true;
}

static void take_line(struct rules *rules, char *line, const char *path, const char *place, const char **wrong) {
    char *at = line, *word = next_word(&at, wrong);
    if (!word) return;
    for (int kind = 0; kind < RULE_KINDS; kind++)
        if (strcmp(word, rule_words[kind]) == 0) {
            (void)take_rule(rules, (enum rule_kind)kind, at, place, false, wrong);
            return;
        }
    if (!take_other(rules, word, at, path, wrong))
        *wrong = "a line begins with max_leaked, max_possible, max_new_sites, max_live, max_peak, max_growth, policy, "
                 "require_processes, suppressions or baseline";
}

static char *read_lines(struct rules *rules, FILE *file, const char *path) {
    char *buffer = NULL, *problem = NULL;
    size_t size = 0, number = 0;
    for (ssize_t length; !problem && (length = getline(&buffer, &size, file)) >= 0;) {
        const char *wrong = NULL;
        char *place = memory_format("%s:%zu", path, ++number);
        while (length && (buffer[length - 1] == '\r' || buffer[length - 1] == '\n')) buffer[--length] = 0;
        if (length > LINE_MOST) wrong = "the line is longer than 4096 bytes";
        if (memchr(buffer, 0, (size_t)length)) wrong = "there is a zero byte in it";
        if (!wrong) take_line(rules, buffer, path, place, &wrong);
        if (wrong) problem = memory_format("%s: %s", place, wrong);
        free(place);
    }
    if (!problem && ferror(file)) problem = memory_format("%s: %s", path, strerror(errno));
    free(buffer);
    return problem;
}

char *rules_read(struct rules *rules, const char *path) {
    FILE *file = fopen(path, "re");
    if (!file) return memory_format("%s: %s", path, strerror(errno));
    char *problem = read_lines(rules, file, path);
    (void)fclose(file);
    return problem;
}

/* --- which one --- */

static bool beats(const struct rule *rule, const struct rule *best) {
    return !best || rule->flag >= best->flag; /* they are looked at in their order */
}

static bool is_site(const char *pattern, const struct identity *identity) {
    return glob_matches(pattern, identity->text) || glob_matches(pattern, identity->place) ||
           (identity->function && glob_matches(pattern, identity->function));
}

struct rule *rules_for_site(struct rules *rules, enum rule_kind kind, const struct identity *identity,
                            const char *program) {
    struct rule *best = NULL;
    for (size_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->list[i];
        if (rule->kind != kind || !rule->site || !is_site(rule->site, identity)) continue;
        if (rule->program && !glob_matches(rule->program, program)) continue;
        if (beats(rule, best)) best = rule;
    }
    return best;
}

struct rule *rules_for_program(struct rules *rules, enum rule_kind kind, const char *program) {
    struct rule *best = NULL, *any = NULL;
    for (size_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->list[i];
        if (rule->kind != kind || rule->site) continue;
        if (!rule->program && beats(rule, any)) any = rule;
        if (rule->program && glob_matches(rule->program, program) && beats(rule, best)) best = rule;
    }
    return best ? best : any;
}

bool rules_limit(const struct rules *rules, enum rule_kind kind) {
    for (size_t i = 0; i < rules->count; i++)
        if (rules->list[i].kind == kind && rules->list[i].most != RULE_NO_LIMIT) return true;
    return false;
}

bool rules_have_sites(const struct rules *rules, enum rule_kind kind) {
    for (size_t i = 0; i < rules->count; i++)
        if (rules->list[i].kind == kind && rules->list[i].site) return true;
    return false;
}

void rules_reset(struct rules *rules) {
    for (size_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->list[i];
        rule->blocks = rule->bytes = rule->sites = rule->aside = 0;
        rule->left = 0;
        rule->growth = 0;
    }
}
