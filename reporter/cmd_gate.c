/* weir gate: the verdict for CI, over dumps that are there or of a program that it runs. Before a program a canary is
 * run, under the same options: a leak that must be found. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "reporter/arguments.h"
#include "reporter/commands.h"
#include "reporter/forms/forms.h"
#include "reporter/forms/place.h"
#include "reporter/gate.h"
#include "reporter/gate/repeat.h"
#include "reporter/gate/settings.h"
#include "reporter/gate/start.h"
#include "reporter/gate/tell.h"
#include "reporter/load/memory.h"
#include "reporter/load/signals.h"
#include "reporter/report.h"
#include "reporter/run.h"
#include "reporter/symbols/skipped.h"
#include "reporter/view/escape.h"
#include "reporter/view/terminal.h"
#include "reporter/view/units.h"

#define ROWS      10
#define DETAILS   3
#define WAIT      10u /* seconds */
#define WAIT_MOST 86400u

static const char help[] = "weir gate [options] -- PROGRAM ARGS: runs it under weir, and judges.\n"
                           "weir gate [options] DUMP...|DIR: judges what is there.\n"
                           "\n"
                           "  --max-leaked SIZE      of all processes together (default 0)\n"
                           "  --max-possible SIZE    the same of what is maybe leaked (default: any)\n"
                           "  --max-new-sites N      that the baseline does not have (default: any)\n"
                           "  --max-live SIZE        live at the end of any one process (default: any)\n"
                           "  --max-peak SIZE        charged at the peak of any one (default: any)\n"
                           "  --max-growth SIZE      in use, more with each of several runs (default: any)\n"
                           "  --rules FILE           limits by site and program (or \"weir.rules\")\n"
                           "  --policy POLICY        report: nothing fails; new: what the baseline does not\n"
                           "                         have; strict: also what it has without a reason\n"
                           "  --baseline FILE        what is known to leak, and borne\n"
                           "  --update-baseline      makes it, or takes out what is gone\n"
                           "  --accept SITE          adds it, with --reason TEXT and perhaps --expires DATE\n"
                           "  --repeat N             runs; what leaks in some of them only is flaky\n"
                           "  --warm-up N            runs before, that do not count\n"
                           "  --require-processes N  so many must have been seen to their end\n"
                           "  --suppressions FILE    leaks that are known, by LeakSanitizer's or Valgrind's\n"
                           "                         list; it may be given several times\n"
                           "  --skip PATTERN         functions that name no site, as weir report has it\n"
                           "  --wait SECONDS         for what the program left running (default 10)\n"
                           "  --top N                sites shown (default: 10, 3 of them with frames)\n"
                           "  -f, --format FORM[=FILE]  also in this form: sarif, junit, codequality,\n"
                           "                         github, markdown, ...: see weir-forms(7); it may be\n"
                           "                         given several times\n"
                           "  --value VALUE, --junit-flavor FLAVOR  as weir report has it\n"
                           "  --level LEVEL, --depth N and the like are weir run's; paranoid is the default\n"
                           "  --help\n"
                           "\n"
                           "Exit status: 0 passed; 1 leaks, or more than a limit; 2 usage; 3 inconclusive:\n"
                           "what could not be looked at is never passed. A program's own failure is its\n"
                           "status, unless there are leaks.\n";

enum { GATE_EXIT_FAILED = 1, GATE_EXIT_INCONCLUSIVE = 3 };
enum {
    OPTION_PROCESSES = 256,
    OPTION_SUPPRESSIONS,
    OPTION_SKIP,
    OPTION_WAIT,
    OPTION_TOP,
    OPTION_VALUE,
    OPTION_JUNIT,
    OPTION_RUN
};
#define MAX_OPTIONS 96

static FILE *out; /* standard output, or standard error where a form goes there */

struct parsed {
    struct settings settings;
    size_t rows, details, wait;
    bool runs, rows_given;
    struct form_list forms;
    char **arguments; /* of the program, or paths */
    size_t count;
};

/* --- judging --- */

struct outcome {
    struct gate gate;
    char *worst; /* the first leaked site: its frames in the user's own code; NULL: there is none */
    bool canary;
    int own;       /* status of the program, where it failed by itself */
    bool reported; /* it failed, and the policy is to report that */
    bool flaky;    /* of several runs some passed and some failed */
    char *runs;    /* of several runs, which failed; NULL: none, or there is one */
};

static char *worst_of(const struct view *view) {
    return view->merged->live_sites ? places_trail(view, view->merged->sites[0]) : NULL;
}

static const char *const words[] = {"passed", "failed", "inconclusive"}; /* by enum gate_result */

/* The forms that were asked for; a verdict that could not be written is none. */
static void write_forms(const struct view *view, const struct parsed *parsed, struct gate *gate) {
    struct view_verdict verdict = {words[gate->result], gate->reasons, gate->reason_count, gate->processes};
    struct view whole = *view;
    whole.out = stdout;
    whole.verdict = &verdict;
    if (!forms_write(&parsed->forms, &whole, parsed->rows_given))
        gate_add(gate, GATE_INCONCLUSIVE, memory_format("not all that was asked for could be written"));
}

/* Only what is, or may be, leaked, and not suppressed. */
static void show(const struct view *view, struct merged *merged, struct outcome *outcome) {
    merged->live_sites = merged->leaked_sites + merged->possible_sites;
    if (outcome->gate.result == GATE_FAILED && merged->live_sites)
        view_text(view);
    else
        view_suppressions(view);
    if (outcome->gate.result == GATE_FAILED) outcome->worst = worst_of(view);
}

static bool has_canary(const struct merged *merged) {
    for (size_t i = 0; i < merged->site_count; i++) {
        const struct merged_site *site = merged->sites[i];
        if (site->verdict == DUMP_LEAKED && site->sizes.count && site->sizes.smallest == START_CANARY) return true;
    }
    return merged->sampled; /* it may not have been drawn: the exact sum over all blocks tells */
}

static void judge_findings(struct settings *settings, const struct view *view, struct merged *merged,
                           struct outcome *outcome, struct findings *findings) {
    struct baseline *baseline = &settings->baseline;
    enum policy policy = settings_policy(settings);
    findings_take(findings, merged, view->symbols, settings_need_all(settings));
    char *why = baseline->path ? baseline_bear(baseline, findings, merged, policy) : NULL;
    if (why) gate_add(&outcome->gate, GATE_INCONCLUSIVE, why);
    gate_judge(&outcome->gate, merged, &settings->rules, view->suppressions, findings);
    if (baseline->path) findings_hide_borne(findings, merged);
}

/* The policy to report lets leaks pass, and nothing that could not be seen. */
static void apply_policy(const struct settings *settings, struct outcome *outcome) {
    struct gate *gate = &outcome->gate;
    if (gate->result != GATE_FAILED || settings_policy(settings) != POLICY_REPORT) return;
    outcome->reported = true;
    gate->result = gate->doubts ? GATE_INCONCLUSIVE : GATE_PASSED;
}

/* `findings`: the caller's, who frees them. */
static void judge(char **paths, size_t count, struct parsed *parsed, bool quiet, struct outcome *outcome,
                  struct findings *findings) {
    struct merged merged = {0};
    struct symbol_options options = {.sysroot = ""};
    struct report_request request = {.paths = paths, .path_count = count};
    struct settings *settings = &parsed->settings;
    (void)report_load(&merged, &request);
    merged_build(&merged);
    struct view view = {.out = out,
                        .merged = &merged,
                        .symbols = symbols_new(&merged, &options),
                        .options = {.rows = parsed->rows,
                                    .details = parsed->details,
                                    .colour = terminal_has_colour(out),
                                    .links = terminal_has_links(out)},
                        .suppressions = &settings->suppressions};
    suppress_forget_programs(&settings->suppressions);
    report_add_programs(&settings->suppressions, &merged);
    suppress_apply(&settings->suppressions, &merged, view.symbols);
    merged_sort(&merged, BY_BYTES);
    if (!merged.part_count && start_is_full(paths[0]))
        gate_add(&outcome->gate, GATE_INCONCLUSIVE,
                 memory_format("there is no dump, and less than 1 MiB of room in %s", paths[0]));
    if (settings_need_findings(settings))
        judge_findings(settings, &view, &merged, outcome, findings);
    else
        gate_judge(&outcome->gate, &merged, &settings->rules, &settings->suppressions, NULL);
    outcome->canary = has_canary(&merged) && outcome->gate.leaked_bytes >= START_CANARY;
    apply_policy(settings, outcome);
    if (!quiet) write_forms(&view, parsed, &outcome->gate);
    if (!quiet) show(&view, &merged, outcome);
    if (!quiet && settings->baseline.path) tell_findings(&settings->baseline, findings, settings_policy(settings), out);
    findings_forget_sites(findings);
    symbols_free(view.symbols);
    merged_free(&merged);
}

/* A verdict that could not be had changes no baseline, nor does a program that failed: it may have done less. */
static void update(struct parsed *parsed, struct outcome *outcome) {
    struct baseline *baseline = &parsed->settings.baseline;
    if (!baseline->path) return;
    if (!baseline->updates) {
        if (!outcome->gate.doubts && !outcome->own) tell_gone(baseline, out);
        return;
    }
    if (outcome->gate.doubts || outcome->own) {
        view_message("gate: %s stays as it is: %s", baseline->path,
                     outcome->own ? "the program failed" : "not all could be seen");
        return;
    }
    for (size_t i = 0; i < baseline->acceptance->count; i++)
        if (!baseline->acceptance->used[i]) {
            gate_add(&outcome->gate, GATE_INCONCLUSIVE,
                     memory_format("--accept: nothing that leaks is %s; %s stays as it is",
                                   baseline->acceptance->sites[i], baseline->path));
            return;
        }
    char *problem = baseline_update(baseline);
    if (problem) gate_add(&outcome->gate, GATE_INCONCLUSIVE, problem);
    if (!problem) tell_updated(baseline, out);
}

static void say_borne(const char *word, uint64_t blocks, uint64_t bytes) {
    if (blocks)
        (void)fprintf(out, "%s %s in %s %s, ", word, units_bytes(bytes), units_count(blocks),
                      blocks == 1 ? "block" : "blocks");
}

static void say_passed(const struct outcome *outcome) {
    const struct gate *gate = &outcome->gate;
    (void)fprintf(out, "%zu %s, leaked %s, ", gate->processes, gate->processes == 1 ? "process" : "processes",
                  gate->leaked_bytes ? units_bytes(gate->leaked_bytes) : "nothing");
    say_borne("suppressed", gate->suppressed_blocks, gate->suppressed_bytes);
    say_borne("in the baseline", gate->borne_blocks, gate->borne_bytes);
    (void)fprintf(out, "%s %s in use (%s)", units_count(gate->in_use_blocks),
                  gate->in_use_blocks == 1 ? "block" : "blocks", units_bytes(gate->in_use_bytes));
    if (outcome->own) (void)fprintf(out, "; but the program ended with status %d", outcome->own);
    (void)fprintf(out, "\n");
}

static int say(struct outcome *outcome) {
    static const int statuses[] = {EXIT_FINE, GATE_EXIT_FAILED, GATE_EXIT_INCONCLUSIVE};
    static const char *const loud[] = {"passed", "FAILED", "INCONCLUSIVE"};
    struct gate *gate = &outcome->gate;
    for (size_t i = outcome->runs ? 0 : 1; i < gate->reason_count; i++) {
        char *reason = escape_string(gate->reasons[i]);
        (void)fprintf(out, "weir gate: %s\n", reason);
        free(reason);
    }
    (void)fprintf(out, "weir gate: %s: ", outcome->flaky ? "FLAKY" : loud[gate->result]);
    if (outcome->runs) {
        (void)fprintf(out, "%s\n", outcome->runs);
    } else if (gate->reason_count) {
        char *reason = escape_string(gate->reasons[0]);
        (void)fprintf(out, "%s%s%s%s\n", outcome->reported ? "(policy report) " : "", reason,
                      outcome->worst ? "; first: " : "", outcome->worst ? outcome->worst : "");
        free(reason);
    } else {
        say_passed(outcome);
    }
    int status = statuses[gate->result];
    free(outcome->worst);
    free(outcome->runs);
    gate_free(gate);
    return fflush(out) == 0 ? status : GATE_EXIT_INCONCLUSIVE;
}

/* --- running --- */

/* A leak of known size, in a program that runs as the other one will. NULL: it was found; else why not. */
static char *why_blind(const struct parsed *parsed) {
    char *folder = start_folder("canary");
    struct outcome outcome = {0};
    struct findings findings = {0};
    struct parsed any = {.rows = parsed->rows};
    if (!folder) return memory_format("there is no room for dumps");
    char *self = run_self(), word[] = "gate-canary", *line[] = {self, word};
    (void)start_under_weir(folder, line, 2);
    free(self);
    settings_start(&any.settings);
    judge(&folder, 1, &any, true, &outcome, &findings);
    settings_free(&any.settings);
    findings_free(&findings);
    bool found = outcome.gate.result == GATE_FAILED && outcome.canary;
    char *why =
        found ? NULL
              : memory_format("a leak that was planted to try was not found%s%s", outcome.gate.reason_count ? ": " : "",
                              outcome.gate.reason_count ? outcome.gate.reasons[0] : "");
    gate_free(&outcome.gate);
    start_remove(folder);
    return why;
}

static void take_status(const struct parsed *parsed, int status, struct outcome *run, struct outcome *all) {
    const char *program = parsed->arguments[0];
    if (WIFSIGNALED(status))
        gate_add(&run->gate, GATE_INCONCLUSIVE,
                 memory_format("%s was killed by %s", program, signal_name(WTERMSIG(status))));
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 0) return;
    view_message("gate: %s ended with status %d", program, WEXITSTATUS(status));
    if (!all->own) all->own = WEXITSTATUS(status);
}

/* A run's verdict becomes part of that over all. */
static void join(const struct parsed *parsed, struct outcome *all, struct outcome *run, size_t number) {
    struct gate *to = &all->gate, *from = &run->gate;
    gate_join(to, from, parsed->settings.repeat > 1 ? number : 0);
    all->reported = all->reported || run->reported;
    if (all->worst)
        free(run->worst);
    else
        all->worst = run->worst;
    gate_free(from);
}

/* One run, in a folder of its own below that of all of them where there are several. False: there is no room. */
static bool run_once(struct parsed *parsed, const char *folder, size_t number, struct repeats *repeats,
                     struct outcome *all) {
    bool several = parsed->settings.repeat > 1, failed_before = all->gate.failures > 0;
    char *own = several ? start_subfolder(folder, number) : memory_text(folder, strlen(folder));
    struct outcome run = {0};
    struct findings findings = {0};
    if (!own) return false;
    int status = start_under_weir(own, parsed->arguments, parsed->count);
    start_wait(&run.gate, parsed->wait);
    take_status(parsed, status, &run, all);
    judge(&own, 1, parsed, failed_before, &run, &findings);
    if (several) repeats_add(repeats, &run.gate, &findings, &parsed->settings.rules);
    bool goes = several && run.gate.result == GATE_PASSED;
    join(parsed, all, &run, number);
    findings_free(&findings);
    if (goes)
        start_remove(own);
    else
        free(own);
    return true;
}

static void warm_up(struct parsed *parsed, const char *folder, struct gate *gate) {
    for (size_t i = 0; i < parsed->settings.warm_up; i++) {
        struct gate ignored = {0};
        char *own = start_subfolder(folder, 0);
        if (!own) continue; /* there is no room for the others either */
        (void)start_under_weir(own, parsed->arguments, parsed->count);
        start_wait(&ignored, parsed->wait);
        gate_free(&ignored);
        start_remove(own);
    }
    (void)gate;
}

static void run_all(struct parsed *parsed, const char *folder, struct outcome *all) {
    struct settings *settings = &parsed->settings;
    struct repeats repeats;
    repeats_start(&repeats, settings->repeat, &settings->rules);
    start_adopt();
    warm_up(parsed, folder, &all->gate);
    for (size_t i = 1; i <= settings->repeat; i++)
        if (!run_once(parsed, folder, i, &repeats, all))
            gate_add(&all->gate, GATE_INCONCLUSIVE, memory_format("there is no room for dumps"));
    repeats_judge(&repeats, &all->gate, &settings->rules);
    if (settings->repeat > 1) repeats_show(&repeats, out);
    if (settings->repeat > 1 && !all->reported) all->runs = repeats_line(&repeats);
    all->flaky = all->runs && repeats_are_flaky(&repeats);
    repeats_free(&repeats);
}

static int gate_program(struct parsed *parsed) {
    struct outcome outcome = {0};
    char *why = why_blind(parsed), *folder = why ? NULL : start_folder("gate");
    if (!folder) {
        gate_add(&outcome.gate, GATE_INCONCLUSIVE, why ? why : memory_format("there is no room for dumps"));
        return say(&outcome);
    }
    run_all(parsed, folder, &outcome);
    update(parsed, &outcome);
    bool leaks = outcome.gate.result == GATE_FAILED, keep = outcome.gate.result != GATE_PASSED;
    if (keep) (void)fprintf(out, "\nweir gate: the dumps are in %s\n", folder);
    int own = outcome.own, verdict = say(&outcome);
    if (keep)
        free(folder);
    else
        start_remove(folder);
    return own && !leaks ? own : verdict;
}

static int gate_dumps(struct parsed *parsed) {
    struct outcome outcome = {0};
    struct findings findings = {0};
    judge(parsed->arguments, parsed->count, parsed, false, &outcome, &findings);
    findings_free(&findings);
    update(parsed, &outcome);
    if (rules_limit(&parsed->settings.rules, RULE_GROWTH))
        gate_add(&outcome.gate, GATE_INCONCLUSIVE,
                 memory_format("max_growth is a matter of several runs (weir gate --repeat=N -- PROGRAM)"));
    return say(&outcome);
}

/* --- options --- */

static bool take(struct parsed *parsed, int option, const char *value) {
    if (option >= SETTINGS_FIRST) return settings_take(&parsed->settings, option, value);
    switch (option) {
    case OPTION_PROCESSES:
        parsed->settings.rules.processes_by_flag = true;
        return argument_number("require-processes", value, 0, &parsed->settings.rules.processes);
    case OPTION_SUPPRESSIONS:
        return report_suppress(&parsed->settings.suppressions, value);
    case OPTION_SKIP:
        skipped_add(value);
        return true;
    case OPTION_WAIT:
        if (!argument_number("wait", value, 0, &parsed->wait)) return false;
        if (parsed->wait > WAIT_MOST) view_message("--wait=%s: at most a day", value);
        return parsed->wait <= WAIT_MOST;
    case OPTION_TOP:
        if (!argument_number("top", value, 0, &parsed->rows)) return false;
        parsed->details = parsed->rows;
        parsed->rows_given = true;
        return true;
    case 'f':
        return forms_add(&parsed->forms, value);
    case OPTION_VALUE:
        return forms_set_value(&parsed->forms, value);
    case OPTION_JUNIT:
        return forms_set_junit(&parsed->forms, value);
    default:
        return option >= OPTION_RUN && run_set(&run_options[option - OPTION_RUN], value ? value : "1");
    }
}

/* What `weir run` takes is taken here, but for what a verdict needs to be as it is. */
static bool is_ours(const char *flag) {
    return strcmp(flag, "leaks") == 0 || strcmp(flag, "output") == 0 || strcmp(flag, "dump-at") == 0 ||
           strcmp(flag, "quiet") == 0;
}

static void make_options(struct option *options) {
    static const struct option own[] = {{"require-processes", required_argument, NULL, OPTION_PROCESSES},
                                        {"suppressions", required_argument, NULL, OPTION_SUPPRESSIONS},
                                        {"skip", required_argument, NULL, OPTION_SKIP},
                                        {"wait", required_argument, NULL, OPTION_WAIT},
                                        {"top", required_argument, NULL, OPTION_TOP},
                                        {"format", required_argument, NULL, 'f'},
                                        {"value", required_argument, NULL, OPTION_VALUE},
                                        {"junit-flavor", required_argument, NULL, OPTION_JUNIT},
                                        {"help", no_argument, NULL, 'h'}};
    size_t n = 0;
    for (; n < sizeof own / sizeof *own; n++) options[n] = own[n];
    for (size_t i = 0; i < SETTINGS_OPTIONS; i++) options[n++] = settings_options[i];
    for (size_t i = 0; i < run_option_count && n < MAX_OPTIONS - 1; i++)
        if (!is_ours(run_options[i].flag))
            options[n++] = (struct option){run_options[i].flag, required_argument, NULL, OPTION_RUN + (int)i};
    options[n] = (struct option){NULL, 0, NULL, 0};
}

/* False: that was said. */
static bool parse(struct parsed *parsed, int count, char **arguments) {
    parsed->runs = optind > 1 && strcmp(arguments[optind - 1], "--") == 0;
    parsed->arguments = arguments + optind;
    parsed->count = (size_t)(count - optind);
    if (!parsed->count) {
        view_message("gate: neither dumps nor a program are given (weir gate --help)");
        return false;
    }
    if (!parsed->runs && (parsed->settings.repeat > 1 || parsed->settings.warm_up)) {
        view_message("gate: --repeat and --warm-up are of a program that is run");
        return false;
    }
    if (!parsed->forms.value_given) parsed->forms.value = VALUE_LEAKED_BYTES;
    return (!parsed->runs || run_check_environment()) && settings_finish(&parsed->settings) &&
           forms_try(&parsed->forms); /* before a long run */
}

static int gate(struct parsed *parsed) {
    out = forms_has_stdout(&parsed->forms) ? stderr : stdout;
    if (!parsed->runs) return gate_dumps(parsed);
    (void)setenv("WEIR_LEAKS", "exit", 1);
    (void)setenv("WEIR_DUMP_AT", "exit,signal,limit,term", 1);
    return gate_program(parsed);
}

int cmd_gate(int count, char **arguments) {
    static char name[] = "weir gate";
    struct option options[MAX_OPTIONS];
    struct parsed parsed = {.rows = ROWS, .details = DETAILS, .wait = WAIT};
    bool fine = true;
    settings_start(&parsed.settings);
    make_options(options);
    arguments[0] = name;
    (void)setenv("WEIR_LEVEL", "paranoid", 0);
    for (int option = 0; fine && (option = getopt_long(count, arguments, "+f:", options, NULL)) != -1;) {
        if (option == 'h') return argument_help(help);
        fine = option != '?' && take(&parsed, option, optarg);
    }
    int status = fine && parse(&parsed, count, arguments) ? gate(&parsed) : EXIT_USAGE;
    settings_free(&parsed.settings);
    forms_free(&parsed.forms);
    return status;
}
