/* weir gate: the verdict for CI, over dumps that are there or of a program that it runs. Before a program a canary is
 * run, under the same options: a leak that must be found. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "reporter/arguments.h"
#include "reporter/commands.h"
#include "reporter/forms/place.h"
#include "reporter/gate.h"
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
#define CANARY    4242u /* bytes */
#define WAIT      10u   /* seconds */
#define WAIT_MOST 86400u

static const char help[] = "weir gate [options] -- PROGRAM ARGS: runs it under weir, and judges.\n"
                           "weir gate [options] DUMP...|DIR: judges what is there.\n"
                           "\n"
                           "  --max-leaked SIZE      of all processes together (default 0)\n"
                           "  --max-possible SIZE    the same of what is maybe leaked (default: any)\n"
                           "  --max-live SIZE        live at the end of any one process (default: any)\n"
                           "  --max-peak SIZE        charged at the peak of any one (default: any)\n"
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
    OPTION_LEAKED = 256,
    OPTION_POSSIBLE,
    OPTION_LIVE,
    OPTION_PEAK,
    OPTION_PROCESSES,
    OPTION_SUPPRESSIONS,
    OPTION_SKIP,
    OPTION_WAIT,
    OPTION_TOP,
    OPTION_VALUE,
    OPTION_JUNIT,
    OPTION_RUN
};
#define MAX_OPTIONS 48

struct parsed {
    struct gate_rules rules;
    struct suppressions suppressions;
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
    int own; /* status of the program, where it failed by itself */
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

/* Where a form goes to standard output nothing else does. */
static FILE *log_of(const struct parsed *parsed) {
    return forms_has_stdout(&parsed->forms) ? stderr : stdout;
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
        if (site->verdict == DUMP_LEAKED && site->sizes.count && site->sizes.smallest == CANARY) return true;
    }
    return merged->sampled; /* it may not have been drawn: the exact sum over all blocks tells */
}

static void judge(char **paths, size_t count, struct parsed *parsed, bool quiet, struct outcome *outcome) {
    struct merged merged = {0};
    struct symbol_options options = {.sysroot = ""};
    struct report_request request = {.paths = paths, .path_count = count};
    (void)report_load(&merged, &request);
    merged_build(&merged);
    struct view view = {.out = log_of(parsed),
                        .merged = &merged,
                        .symbols = symbols_new(&merged, &options),
                        .options = {.rows = parsed->rows,
                                    .details = parsed->details,
                                    .colour = terminal_has_colour(log_of(parsed)),
                                    .links = terminal_has_links(log_of(parsed))},
                        .suppressions = &parsed->suppressions};
    report_add_programs(&parsed->suppressions, &merged);
    suppress_apply(&parsed->suppressions, &merged, view.symbols);
    merged_sort(&merged, BY_BYTES);
    gate_judge(&outcome->gate, &merged, &parsed->rules, &parsed->suppressions);
    outcome->canary = has_canary(&merged) && outcome->gate.leaked_bytes >= CANARY;
    if (!quiet) write_forms(&view, parsed, &outcome->gate);
    if (!quiet) show(&view, &merged, outcome);
    symbols_free(view.symbols);
    merged_free(&merged);
}

static int say(struct outcome *outcome, FILE *out) {
    static const int statuses[] = {EXIT_FINE, GATE_EXIT_FAILED, GATE_EXIT_INCONCLUSIVE};
    static const char *const loud[] = {"passed", "FAILED", "INCONCLUSIVE"};
    struct gate *gate = &outcome->gate;
    for (size_t i = 1; i < gate->reason_count; i++) {
        char *reason = escape_string(gate->reasons[i]);
        (void)fprintf(out, "weir gate: %s\n", reason);
        free(reason);
    }
    (void)fprintf(out, "weir gate: %s: ", loud[gate->result]);
    if (gate->reason_count) {
        char *reason = escape_string(gate->reasons[0]);
        (void)fprintf(out, "%s%s%s\n", reason, outcome->worst ? "; first: " : "", outcome->worst ? outcome->worst : "");
        free(reason);
    } else {
        (void)fprintf(out, "%zu %s, leaked %s, ", gate->processes, gate->processes == 1 ? "process" : "processes",
                      gate->leaked_bytes ? units_bytes(gate->leaked_bytes) : "nothing");
        if (gate->suppressed_blocks)
            (void)fprintf(out, "suppressed %s in %s %s, ", units_bytes(gate->suppressed_bytes),
                          units_count(gate->suppressed_blocks), gate->suppressed_blocks == 1 ? "block" : "blocks");
        (void)fprintf(out, "%s %s in use (%s)", units_count(gate->in_use_blocks),
                      gate->in_use_blocks == 1 ? "block" : "blocks", units_bytes(gate->in_use_bytes));
        if (outcome->own) (void)fprintf(out, "; but the program ended with status %d", outcome->own);
        (void)fprintf(out, "\n");
    }
    int status = statuses[gate->result];
    free(outcome->worst);
    gate_free(gate);
    return fflush(out) == 0 ? status : GATE_EXIT_INCONCLUSIVE;
}

/* --- running --- */

/* How it ended, as waitpid has it. */
static int run_and_wait(char **line) {
    int status = EXIT_FAILED << 8;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        (void)execv(line[0], line);
        _exit(EXIT_FAILED);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/* This program again, as `weir run`, so that all that it does holds here. */
static int run_under_weir(char *folder, char **arguments, size_t count) {
    char *self = run_self();
    char **line = memory_get(count + 6, sizeof *line);
    char run[] = "run", quiet[] = "--quiet", end[] = "--";
    char *output = memory_format("--output=%s/%%e.%%p.%%n.dump", folder);
    size_t n = 0;
    line[n++] = self;
    line[n++] = run;
    line[n++] = quiet;
    line[n++] = output;
    line[n++] = end;
    for (size_t i = 0; i < count; i++) line[n++] = arguments[i];
    int status = run_and_wait(line);
    free(output);
    free(line);
    free(self);
    return status;
}

static char *make_folder(const char *what) {
    char *here = realpath(".", NULL);
    char *folder = memory_format("%s/weir.%s.%d.d", here ? here : "/tmp", what, (int)getpid());
    free(here);
    if (mkdir(folder, 0700) == 0) return folder;
    view_message("%s: cannot be made: %s", folder, strerror(errno));
    free(folder);
    return NULL;
}

static void remove_folder(char *folder) {
    char *line[] = {(char[]){"/bin/rm"}, (char[]){"-rf"}, (char[]){"--"}, folder, NULL};
    (void)run_and_wait(line);
    free(folder);
}

/* A leak of known size, in a program that runs as the other one will. NULL: it was found; else why not. */
static char *why_blind(const struct parsed *parsed) {
    char *folder = make_folder("canary");
    struct outcome outcome = {0};
    struct parsed any = {.rules = {.max_possible = GATE_NO_LIMIT, .max_live = GATE_NO_LIMIT, .max_peak = GATE_NO_LIMIT},
                         .rows = parsed->rows};
    if (!folder) return memory_format("there is no room for dumps");
    char *self = run_self(), word[] = "gate-canary", *line[] = {self, word};
    (void)run_under_weir(folder, line, 2);
    free(self);
    judge(&folder, 1, &any, true, &outcome);
    bool found = outcome.gate.result == GATE_FAILED && outcome.canary;
    char *why =
        found ? NULL
              : memory_format("a leak that was planted to try was not found%s%s", outcome.gate.reason_count ? ": " : "",
                              outcome.gate.reason_count ? outcome.gate.reasons[0] : "");
    gate_free(&outcome.gate);
    remove_folder(folder);
    return why;
}

int cmd_gate_canary(int count, char **arguments) {
    (void)count, (void)arguments;
    char *volatile lost = malloc(CANARY);
    if (lost) lost[0] = 1;
    lost = NULL;
    /* What the call has left in registers and on the stack. NOLINTNEXTLINE(clang-analyzer-unix.Malloc): a leak it is */
    char room[4096];
    memset(room, 0, sizeof room);
    __asm__ volatile("" ::"r"(room)
                     : "memory", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
                       "r14", "r15");
    return EXIT_FINE;
}

static bool pass_ms(unsigned *left, unsigned ms) {
    if (*left < ms) return false;
    struct timespec pause = {0, (long)ms * 1000000};
    (void)nanosleep(&pause, NULL);
    *left -= ms;
    return true;
}

/* What the program left running when it ended has become this one's child. */
static void wait_for_orphans(struct gate *gate, size_t seconds) {
    unsigned left = (unsigned)seconds * 1000;
    for (;;) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid > 0 && WIFSIGNALED(status))
            gate_add(gate, GATE_INCONCLUSIVE,
                     memory_format("process %d of it was killed by %s", (int)pid, signal_name(WTERMSIG(status))));
        if (pid < 0 && errno != EINTR) return;
        if (pid == 0 && !pass_ms(&left, 10)) break;
    }
    gate_add(gate, GATE_INCONCLUSIVE, memory_format("processes of it go on, %zu seconds after its end", seconds));
}

static int gate_program(struct parsed *parsed) {
    struct outcome outcome = {0};
    char *why = why_blind(parsed), *folder = why ? NULL : make_folder("gate");
    if (!folder) {
        gate_add(&outcome.gate, GATE_INCONCLUSIVE, why ? why : memory_format("there is no room for dumps"));
        return say(&outcome, log_of(parsed));
    }
    FILE *out = log_of(parsed);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    int status = run_under_weir(folder, parsed->arguments, parsed->count);
    wait_for_orphans(&outcome.gate, parsed->wait);
    bool own = WIFEXITED(status) && WEXITSTATUS(status) != 0;
    if (WIFSIGNALED(status))
        gate_add(&outcome.gate, GATE_INCONCLUSIVE,
                 memory_format("%s was killed by %s", parsed->arguments[0], signal_name(WTERMSIG(status))));
    judge(&folder, 1, parsed, false, &outcome);
    outcome.own = own ? WEXITSTATUS(status) : 0;
    if (own) view_message("gate: %s ended with status %d", parsed->arguments[0], WEXITSTATUS(status));
    bool leaks = outcome.gate.result == GATE_FAILED, keep = outcome.gate.result != GATE_PASSED;
    if (keep) (void)fprintf(out, "\nweir gate: the dumps are in %s\n", folder);
    int verdict = say(&outcome, out);
    if (keep)
        free(folder);
    else
        remove_folder(folder);
    return own && !leaks ? WEXITSTATUS(status) : verdict;
}

/* --- options --- */

static bool parse_size(const char *option, const char *value, uint64_t *out) {
    struct run_size size;
    if (strcmp(value, "0") == 0) {
        *out = 0;
        return true;
    }
    if (!run_size(value, &size) || size.percent) {
        view_message("--%s=%s: not a size (try 4K)", option, value);
        return false;
    }
    *out = size.number;
    return true;
}

static bool take(struct parsed *parsed, int option, const char *value) {
    switch (option) {
    case OPTION_LEAKED:
        return parse_size("max-leaked", value, &parsed->rules.max_leaked);
    case OPTION_POSSIBLE:
        return parse_size("max-possible", value, &parsed->rules.max_possible);
    case OPTION_LIVE:
        return parse_size("max-live", value, &parsed->rules.max_live);
    case OPTION_PEAK:
        return parse_size("max-peak", value, &parsed->rules.max_peak);
    case OPTION_PROCESSES:
        return argument_number("require-processes", value, 0, &parsed->rules.processes);
    case OPTION_SUPPRESSIONS:
        return report_suppress(&parsed->suppressions, value);
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
    static const struct option own[] = {{"max-leaked", required_argument, NULL, OPTION_LEAKED},
                                        {"max-possible", required_argument, NULL, OPTION_POSSIBLE},
                                        {"max-live", required_argument, NULL, OPTION_LIVE},
                                        {"max-peak", required_argument, NULL, OPTION_PEAK},
                                        {"require-processes", required_argument, NULL, OPTION_PROCESSES},
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
    for (size_t i = 0; i < run_option_count && n < MAX_OPTIONS - 1; i++)
        if (!is_ours(run_options[i].flag))
            options[n++] = (struct option){run_options[i].flag, required_argument, NULL, OPTION_RUN + (int)i};
    options[n] = (struct option){NULL, 0, NULL, 0};
}

int cmd_gate(int count, char **arguments) {
    static char name[] = "weir gate";
    struct option options[MAX_OPTIONS];
    struct parsed parsed = {
        .rules = {.max_possible = GATE_NO_LIMIT, .max_live = GATE_NO_LIMIT, .max_peak = GATE_NO_LIMIT},
        .rows = ROWS,
        .details = DETAILS,
        .wait = WAIT};
    make_options(options);
    arguments[0] = name;
    (void)setenv("WEIR_LEVEL", "paranoid", 0);
    for (int option = 0; (option = getopt_long(count, arguments, "+f:", options, NULL)) != -1;) {
        if (option == 'h') return argument_help(help);
        if (option == '?' || !take(&parsed, option, optarg)) return EXIT_USAGE;
    }
    parsed.runs = optind > 1 && strcmp(arguments[optind - 1], "--") == 0;
    parsed.arguments = arguments + optind;
    parsed.count = (size_t)(count - optind);
    if (!parsed.count) {
        view_message("gate: neither dumps nor a program are given (weir gate --help)");
        return EXIT_USAGE;
    }
    if (!parsed.forms.value_given) parsed.forms.value = VALUE_LEAKED_BYTES;
    if (!forms_try(&parsed.forms)) return EXIT_USAGE; /* before a long run */
    if (parsed.runs) {
        if (!run_check_environment()) return EXIT_USAGE;
        (void)setenv("WEIR_LEAKS", "exit", 1);
        (void)unsetenv("WEIR_DUMP_AT");
        return gate_program(&parsed);
    }
    struct outcome outcome = {0};
    judge(parsed.arguments, parsed.count, &parsed, false, &outcome);
    return say(&outcome, log_of(&parsed));
}
