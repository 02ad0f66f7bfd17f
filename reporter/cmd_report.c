/* weir report: options in, one report out. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/arguments.h"
#include "reporter/commands.h"
#include "reporter/load/marks.h"
#include "reporter/load/memory.h"
#include "reporter/report.h"
#include "reporter/symbols/skipped.h"
#include "reporter/view/terminal.h"

#define ROWS    10
#define DETAILS 3

static const char help[] = "weir report [options] DUMP...|DIR: which places made what was not freed.\n"
                           "\n"
                           "  --top N            N sites in the table and N in detail (default: 10, 3);\n"
                           "                     with --json the first N sites (default: all)\n"
                           "  --sort ORDER       of what is live: live or bytes (default), blocks, age,\n"
                           "                     pinned; of what was ever made: total (bytes), peak (when\n"
                           "                     the process had most), temporary, rate (allocations)\n"
                           "  --memory           where the memory is: rows that add up to what is resident\n"
                           "                     and to what is charged; the sites that pin free memory\n"
                           "  --arena            the arena by size class, and how full its slabs are\n"
                           "  --since MARK       only what was made since then: a mark's name, the latest of\n"
                           "                     that name, or #N (weir mark, weir_mark)\n"
                           "  --full             all sites, frames, names, counters, modules, memory, arena\n"
                           "  -f, --format FORM[=FILE]  text (default), json, folded, callgrind, pprof,\n"
                           "                     speedscope, html, sarif, junit, codequality, github,\n"
                           "                     markdown, valgrind-xml; it may be given several times:\n"
                           "                     one goes to standard output, those with a FILE there\n"
                           "                     (weir-forms(7))\n"
                           "  --json             the same as -f json\n"
                           "  --value VALUE      what a form shows first, or alone: live_bytes (default),\n"
                           "                     leaked_bytes, allocated_bytes, peak_bytes, and the same\n"
                           "                     with _blocks\n"
                           "  --junit-flavor FLAVOR  jenkins (default) or gitlab\n"
                           "  --debug-dir DIR    where separate debug files are, as in /usr/lib/debug; it\n"
                           "                     may be given several times\n"
                           "  --sysroot DIR      in front of the paths of all modules\n"
                           "  --skip PATTERN     functions that name no site (* for anything), such as your\n"
                           "                     own allocators; it may be given several times, and a file\n"
                           "                     \"weir:skip\" here may list more, one a line\n"
                           "  --suppressions FILE  leaks that are known, by LeakSanitizer's or Valgrind's\n"
                           "                     list; it may be given several times\n"
                           "  --gen-suppressions TOOL  lsan or valgrind: a list of what is leaked, or may\n"
                           "                     be, for that tool and for --suppressions, and no report\n"
                           "  --help\n"
                           "\n"
                           "A folder stands for all files in it whose names end in .dump. Several dumps are\n"
                           "merged by site; of several of the same process only the newest is counted.\n"
                           "Exit status: 0; 2 usage; 3 a dump could not be read in whole, or malloc was not\n"
                           "weir's, or the report not written.\n";

enum {
    OPTION_TOP = 256,
    OPTION_SORT,
    OPTION_SINCE,
    OPTION_FULL,
    OPTION_JSON,
    OPTION_VALUE,
    OPTION_JUNIT,
    OPTION_DEBUG_DIR,
    OPTION_SYSROOT,
    OPTION_SKIP,
    OPTION_MEMORY,
    OPTION_ARENA,
    OPTION_SUPPRESSIONS,
    OPTION_GENERATE,
    OPTION_HELP
};

static const struct option options[] = {{"top", required_argument, NULL, OPTION_TOP},
                                        {"sort", required_argument, NULL, OPTION_SORT},
                                        {"since", required_argument, NULL, OPTION_SINCE},
                                        {"full", no_argument, NULL, OPTION_FULL},
                                        {"memory", no_argument, NULL, OPTION_MEMORY},
                                        {"arena", no_argument, NULL, OPTION_ARENA},
                                        {"json", no_argument, NULL, OPTION_JSON},
                                        {"format", required_argument, NULL, 'f'},
                                        {"value", required_argument, NULL, OPTION_VALUE},
                                        {"junit-flavor", required_argument, NULL, OPTION_JUNIT},
                                        {"debug-dir", required_argument, NULL, OPTION_DEBUG_DIR},
                                        {"sysroot", required_argument, NULL, OPTION_SYSROOT},
                                        {"skip", required_argument, NULL, OPTION_SKIP},
                                        {"suppressions", required_argument, NULL, OPTION_SUPPRESSIONS},
                                        {"gen-suppressions", required_argument, NULL, OPTION_GENERATE},
                                        {"help", no_argument, NULL, OPTION_HELP},
                                        {NULL, 0, NULL, 0}};

struct parsed {
    struct report_request request;
    bool top_given, order_given, since_given, help;
    size_t debug_dir_capacity;
};

static bool parse_top(struct parsed *parsed, const char *value) {
    if (!argument_number("top", value, 1, &parsed->request.view.rows)) return false;
    parsed->request.view.details = parsed->request.view.rows;
    parsed->top_given = true;
    return true;
}

static bool parse_word(const char *option, const char *value, const char *const *words, int *chosen) {
    for (*chosen = 0; words[*chosen]; ++*chosen)
        if (strcmp(words[*chosen], value) == 0) return true;
    char *list = memory_format("%s", words[0]);
    for (int i = 1; words[i]; i++) list = memory_append(memory_append(list, ", "), words[i]);
    view_message("--%s=%s: must be one of: %s", option, value, list);
    free(list);
    return false;
}

static void add_debug_dir(struct parsed *parsed, const char *folder) {
    struct symbol_options *symbols = &parsed->request.symbols;
    symbols->debug_dirs = memory_more(symbols->debug_dirs, &parsed->debug_dir_capacity, symbols->debug_dir_count + 1,
                                      sizeof *symbols->debug_dirs);
    symbols->debug_dirs[symbols->debug_dir_count++] = folder;
}

static bool take_option(struct parsed *parsed, int option, const char *value) {
    static const char *const orders[] = {"bytes", "blocks",    "age",  "pinned", "total",
                                         "peak",  "temporary", "rate", "live",   NULL},
                             *const tools[] = {"lsan", "valgrind", NULL};
    int chosen = 0;
    switch (option) {
    case OPTION_TOP:
        return parse_top(parsed, value);
    case OPTION_SORT:
        if (!parse_word("sort", value, orders, &chosen)) return false;
        parsed->request.order = chosen > BY_RATE ? BY_BYTES : (enum merged_order)chosen; /* what is live */
        parsed->order_given = true;
        return true;
    case OPTION_SINCE:
        if (!*value) view_message("--since: a mark's name or #N is wanted");
        marks_since(value);
        parsed->since_given = true;
        return *value;
    case OPTION_MEMORY:
        parsed->request.view.memory = true;
        return true;
    case OPTION_ARENA:
        parsed->request.view.arena = true;
        return true;
    case 'f':
        return forms_add(&parsed->request.forms, value);
    case OPTION_VALUE:
        return forms_set_value(&parsed->request.forms, value);
    case OPTION_JUNIT:
        return forms_set_junit(&parsed->request.forms, value);
    case OPTION_FULL:
        parsed->request.view.full = true;
        return true;
    case OPTION_JSON:
        return forms_add(&parsed->request.forms, "json");
    case OPTION_DEBUG_DIR:
        add_debug_dir(parsed, value);
        return true;
    case OPTION_SYSROOT:
        parsed->request.symbols.sysroot = value;
        return true;
    case OPTION_SKIP:
        skipped_add(value);
        return true;
    case OPTION_SUPPRESSIONS:
        return report_suppress(&parsed->request.suppressions, value);
    case OPTION_GENERATE:
        if (!parse_word("gen-suppressions", value, tools, &chosen)) return false;
        parsed->request.generate = chosen == 0 ? SUPPRESSIONS_LSAN : SUPPRESSIONS_VALGRIND;
        return true;
    case OPTION_HELP:
        parsed->help = true;
        return true;
    default:
        return false; /* getopt said what is wrong */
    }
}

/* These tell of the process as a whole. */
static bool since_fits(const struct parsed *parsed) {
    const struct view_options *view = &parsed->request.view;
    if (!parsed->since_given || !(view->memory || view->arena || parsed->request.order >= BY_TOTAL)) return true;
    view_message("report: of --memory, --arena and what was ever made nobody knows what was made since a mark");
    return false;
}

static bool parse(struct parsed *parsed, int count, char **arguments) {
    static char name[] = "weir report";
    arguments[0] = name;
    parsed->request.symbols.sysroot = "";
    parsed->request.view.rows = ROWS;
    parsed->request.view.details = DETAILS;
    for (int option = 0; (option = getopt_long(count, arguments, "f:", options, NULL)) != -1;)
        if (!take_option(parsed, option, optarg)) return false;
    parsed->request.paths = arguments + optind;
    parsed->request.path_count = (size_t)(count - optind);
    if (!parsed->help && optind == count) view_message("report: no dump is given (weir report --help)");
    return parsed->help || (optind < count && since_fits(parsed));
}

/* A page's name: the dump's, or the folder's. */
static char *page_name(const char *path) {
    char *name = memory_text(path, strlen(path));
    size_t length = strlen(name);
    while (length > 1 && name[length - 1] == '/') name[--length] = 0;
    char *base = strrchr(name, '/'), *dot = strrchr(name, '.');
    if (dot && strcmp(dot, ".dump") == 0) *dot = 0;
    char *page = memory_format("%s.html", base && base[1] ? base + 1 : name);
    free(name);
    return page;
}

/* What to type next: a page to look at, then the form for programs. */
static char *suggest(const struct parsed *parsed) {
    bool full = parsed->request.view.full;
    const char *path = parsed->request.paths[0];
    bool plain = !path[strcspn(path, " \t\n\\'\"$&|;<>()*?[]{}~#!`")];
    const char *quote = plain ? "" : "'", *more = parsed->request.path_count > 1 ? " ..." : "";
    char *page = page_name(path);
    char *next =
        full ? memory_format("weir report --json %s%s%s%s", quote, path, quote, more)
             : memory_format("weir report -f %shtml=%s%s %s%s%s%s", quote, page, quote, quote, path, quote, more);
    free(page);
    return next;
}

int cmd_report(int count, char **arguments) {
    struct parsed parsed = {0};
    if (!parse(&parsed, count, arguments)) {
        free(parsed.request.symbols.debug_dirs);
        return EXIT_USAGE;
    }
    if (parsed.help) return argument_help(help);
    struct view_options *view = &parsed.request.view;
    parsed.request.rows_given = parsed.top_given;
    if (!parsed.top_given && view->full) view->rows = view->details = VIEW_ALL;
    if (view->memory && !parsed.order_given) parsed.request.order = BY_PINNED;
    view->colour = terminal_has_colour(stdout);
    view->links = terminal_has_links(stdout);
    view->brief = !parsed.top_given && !view->full;
    char *next = suggest(&parsed);
    view->next = next;
    int status = report_produce(&parsed.request, stdout);
    skipped_forget();
    suppress_free(&parsed.request.suppressions);
    forms_free(&parsed.request.forms);
    free(next);
    free(parsed.request.symbols.debug_dirs);
    return status;
}
