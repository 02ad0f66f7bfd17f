/* See settings.h. */
#include "reporter/gate/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/arguments.h"
#include "reporter/gate/repeat.h"
#include "reporter/load/memory.h"
#include "reporter/report.h"
#include "reporter/view/escape.h"

enum {
    LEAKED = SETTINGS_FIRST, /* in the order of enum rule_kind */
    GROWTH = LEAKED + RULE_GROWTH,
    RULES,
    POLICY,
    BASELINE,
    UPDATE,
    ACCEPT,
    REASON,
    EXPIRES,
    REPEAT,
    WARM_UP
};

const struct option settings_options[SETTINGS_OPTIONS] = {{"max-leaked", required_argument, NULL, LEAKED},
                                                          {"max-possible", required_argument, NULL, LEAKED + 1},
                                                          {"max-new-sites", required_argument, NULL, LEAKED + 2},
                                                          {"max-live", required_argument, NULL, LEAKED + 3},
                                                          {"max-peak", required_argument, NULL, LEAKED + 4},
                                                          {"max-growth", required_argument, NULL, GROWTH},
                                                          {"rules", required_argument, NULL, RULES},
                                                          {"policy", required_argument, NULL, POLICY},
                                                          {"baseline", required_argument, NULL, BASELINE},
                                                          {"update-baseline", no_argument, NULL, UPDATE},
                                                          {"accept", required_argument, NULL, ACCEPT},
                                                          {"reason", required_argument, NULL, REASON},
                                                          {"expires", required_argument, NULL, EXPIRES},
                                                          {"repeat", required_argument, NULL, REPEAT},
                                                          {"warm-up", required_argument, NULL, WARM_UP}};

void settings_start(struct settings *settings) {
    *settings = (struct settings){.repeat = 1};
    rules_start(&settings->rules);
}

void settings_free(struct settings *settings) {
    rules_free(&settings->rules);
    baseline_free(&settings->baseline);
    suppress_free(&settings->suppressions);
    free(settings->acceptance.sites);
    free(settings->acceptance.used);
}

/* Says it, and takes it. */
static bool is_fine(char *problem) {
    if (problem) view_message("%s", problem);
    free(problem);
    return !problem;
}

static bool take_count(const char *option, const char *value, size_t least, size_t *count) {
    if (!argument_number(option, value, least, count)) return false;
    if (*count <= REPEAT_MOST) return true;
    view_message("--%s=%s: at most %u", option, value, REPEAT_MOST);
    return false;
}

static bool take_accept(struct acceptance *acceptance, char *value) {
    if (!*value) view_message("--accept: a site is wanted, as the gate names it");
    acceptance->sites =
        memory_more(acceptance->sites, &acceptance->capacity, acceptance->count + 1, sizeof *acceptance->sites);
    acceptance->used =
        memory_more(acceptance->used, &acceptance->used_capacity, acceptance->count + 1, sizeof *acceptance->used);
    acceptance->sites[acceptance->count++] = value;
    return *value;
}

/* A reason is for people: words, in one line. */
static bool take_reason(struct acceptance *acceptance, const char *value) {
    char *harmless = escape_string(value);
    bool fine = *value && strcmp(harmless, value) == 0;
    if (!fine) view_message("--reason=%s: a line of text is wanted", harmless);
    free(harmless);
    acceptance->reason = value;
    return fine;
}

static bool take_expires(struct acceptance *acceptance, const char *value) {
    acceptance->expires = value;
    if (baseline_is_date(value)) return true;
    char *harmless = escape_string(value);
    view_message("--expires=%s: not a date (try 2030-12-31)", harmless);
    free(harmless);
    return false;
}

static bool take_policy(struct rules *rules, const char *value) {
    rules->policy_by_flag = true;
    if (rules_policy(value, &rules->policy)) return true;
    char *harmless = escape_string(value);
    view_message("--policy=%s: must be one of: report, new, strict", harmless);
    free(harmless);
    return false;
}

bool settings_take(struct settings *settings, int option, const char *value) {
    if (option <= GROWTH) return is_fine(rules_flag(&settings->rules, (enum rule_kind)(option - LEAKED), value));
    switch (option) {
    case RULES:
        settings->rules_path = value;
        return true;
    case POLICY:
        return take_policy(&settings->rules, value);
    case BASELINE:
        settings->baseline_path = value;
        return true;
    case UPDATE:
        return settings->updates = true;
    case ACCEPT:
        return take_accept(&settings->acceptance, (char *)value);
    case REASON:
        return take_reason(&settings->acceptance, value);
    case EXPIRES:
        return take_expires(&settings->acceptance, value);
    case REPEAT:
        return take_count("repeat", value, 1, &settings->repeat);
    case WARM_UP:
        return take_count("warm-up", value, 0, &settings->warm_up);
    default:
        return false;
    }
}

static bool read_rules(struct settings *settings) {
    const char *path = settings->rules_path ? settings->rules_path : RULES_FILE;
    if (!settings->rules_path && access(path, F_OK) != 0 && errno == ENOENT) return true;
    if (!is_fine(rules_read(&settings->rules, path))) return false;
    for (size_t i = 0; i < settings->rules.suppression_count; i++)
        if (!report_suppress(&settings->suppressions, settings->rules.suppressions[i])) return false;
    return true;
}

/* What is written needs a place, what is accepted a reason. */
static bool words_fit(const struct settings *settings, const char *path) {
    const struct acceptance *a = &settings->acceptance;
    const char *wrong = NULL;
    if (settings->updates && !path)
        wrong = "--update-baseline: --baseline FILE says which";
    else if (a->count && !settings->updates)
        wrong = "--accept changes the baseline: it goes with --update-baseline";
    else if (a->count && !a->reason)
        wrong = "--accept: a reason is wanted (--reason TEXT)";
    else if (!a->count && (a->reason || a->expires))
        wrong = "--reason and --expires are an acceptance's (--accept SITE)";
    if (wrong) view_message("gate: %s", wrong);
    return !wrong;
}

static bool read_baseline(struct settings *settings) {
    const char *path = settings->baseline_path ? settings->baseline_path : settings->rules.baseline;
    struct baseline *baseline = &settings->baseline;
    if (!words_fit(settings, path)) return false;
    if (!path) return true;
    if (!is_fine(baseline_read(baseline, path))) return false;
    baseline->updates = settings->updates;
    baseline->acceptance = &settings->acceptance;
    if (settings->acceptance.expires && strcmp(settings->acceptance.expires, baseline->today) < 0)
        view_message("--expires=%s: that day is over", settings->acceptance.expires);
    else if (!baseline->exists && !settings->updates)
        view_message("%s: there is no such file (--update-baseline makes it)", path);
    else
        return true;
    return false;
}

bool settings_finish(struct settings *settings) {
    return read_rules(settings) && read_baseline(settings);
}

static bool any_pattern(const struct rules *rules) {
    for (size_t i = 0; i < rules->count; i++)
        if (rules->list[i].site || rules->list[i].program) return true;
    return false;
}

bool settings_need_findings(const struct settings *settings) {
    return settings->baseline.path || settings->repeat > 1 || any_pattern(&settings->rules) ||
           rules_limit(&settings->rules, RULE_NEW_SITES) || settings_need_all(settings);
}

bool settings_need_all(const struct settings *settings) {
    return settings->repeat > 2 || rules_have_sites(&settings->rules, RULE_LIVE) ||
           rules_have_sites(&settings->rules, RULE_PEAK);
}

enum policy settings_policy(const struct settings *settings) {
    if (settings->rules.policy != POLICY_DEFAULT) return settings->rules.policy;
    return settings->baseline.path ? POLICY_NEW : POLICY_STRICT;
}
