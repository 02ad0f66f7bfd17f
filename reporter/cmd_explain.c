/* weir explain: why a site's blocks are in use, or are called leaked. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/arguments.h"
#include "reporter/commands.h"
#include "reporter/load/memory.h"
#include "reporter/load/progress.h"
#include "reporter/report.h"
#include "reporter/symbols/glob.h"
#include "reporter/symbols/naming.h"
#include "reporter/symbols/skipped.h"
#include "reporter/view/explain.h"

#define SITES 10

static const char help[] = "weir explain [options] DUMP SITE|ADDRESS: why it is in use, or called leaked.\n"
                           "\n"
                           "  --top N          of a name that several sites have the first N (default: 10)\n"
                           "  --json\n"
                           "  --debug-dir DIR  where separate debug files are, as in /usr/lib/debug; it may be\n"
                           "                   given several times\n"
                           "  --sysroot DIR    in front of the paths of all modules\n"
                           "  --skip PATTERN   functions that name no site, as weir report has it\n"
                           "  --help\n"
                           "\n"
                           "SITE is a number of weir report, such as 3 or '#3', or a function's name, in\n"
                           "which * stands for anything; ADDRESS, 0x..., lies in a tracked block. DUMP may be\n"
                           "a folder. It needs a dump that was searched: weir run, or WEIR_LEAKS.\n"
                           "Exit status: 0; 2 usage, or there is no such site or block; 3 a dump could not be\n"
                           "read in whole.\n";

static const struct option options[] = {{"top", required_argument, NULL, 't'},
                                        {"json", no_argument, NULL, 'j'},
                                        {"debug-dir", required_argument, NULL, 'd'},
                                        {"sysroot", required_argument, NULL, 'r'},
                                        {"skip", required_argument, NULL, 'k'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

struct parsed {
    size_t most;
    bool json, help;
    struct symbol_options symbols;
    size_t debug_dir_capacity;
};

enum asked { ASKED_NUMBER, ASKED_ADDRESS, ASKED_NAME, ASKED_NOTHING };

static enum asked parse_asked(const char *text, uint64_t *value) {
    bool is_address = strncmp(text, "0x", 2) == 0 || strncmp(text, "0X", 2) == 0;
    const char *digits = is_address ? text + 2 : *text == '#' ? text + 1 : text;
    const char *all = is_address ? "0123456789abcdefABCDEF" : "0123456789";
    bool is_number = *digits && !digits[strspn(digits, all)];
    errno = 0;
    *value = is_number ? strtoull(digits, NULL, is_address ? 16 : 10) : 0;
    if (errno || !*text || (!is_number && (is_address || *text == '#'))) return ASKED_NOTHING;
    return is_address ? ASKED_ADDRESS : is_number ? ASKED_NUMBER : ASKED_NAME;
}

static bool is_named(const struct view *view, const struct merged_site *site, const char *pattern) {
    struct site_name name = naming_of(view->symbols, view->merged, site);
    return (name.symbol.brief && glob_matches(pattern, name.symbol.brief)) ||
           (name.symbol.function && glob_matches(pattern, name.symbol.function));
}

struct answer {
    struct explained *list;
    size_t count, capacity, more;
};

static void add(struct answer *answer, struct explained e) {
    answer->list = memory_more(answer->list, &answer->capacity, answer->count + 1, sizeof *answer->list);
    answer->list[answer->count++] = e;
}

static void add_named(struct answer *answer, const struct view *view, const char *pattern, size_t most) {
    view_resolve(view, view->merged->live_sites);
    for (size_t i = 0; i < view->merged->live_sites; i++) {
        if (!is_named(view, view->merged->sites[i], pattern)) continue;
        if (answer->count == most)
            answer->more++;
        else
            add(answer, explain_make(view->merged->sites[i], NULL, NULL));
    }
}

static void add_at(struct answer *answer, struct merged *merged) {
    for (size_t i = 0; i < merged->part_count; i++) {
        const struct dump *dump = merged->parts[i].dump;
        struct translation known = {0};
        if (merged->parts[i].older || !dump->sought) continue;
        struct merged_site *site =
            merged_site_of(merged, dump, &known, dump->sought->stack, (enum dump_verdict)dump->sought->verdict);
        add(answer, explain_make(site, dump, dump->sought));
    }
}

static void find(struct answer *answer, const struct view *view, enum asked asked, uint64_t value, const char *text,
                 const struct parsed *parsed) {
    struct merged *merged = (struct merged *)(uintptr_t)view->merged;
    if (asked == ASKED_NAME)
        add_named(answer, view, text, parsed->most);
    else if (asked == ASKED_ADDRESS)
        add_at(answer, merged);
    else if (value > 0 && value <= merged->live_sites)
        add(answer, explain_make(merged->sites[value - 1], NULL, NULL));
    if (answer->count) return;
    if (asked == ASKED_NAME)
        view_message("explain: no site has the name %s", text);
    else if (asked == ASKED_ADDRESS)
        view_message("explain: %s: no live tracked block is there", text);
    else
        view_message("explain: there is no site %s, but %zu of them", text, merged->live_sites);
}

/* A reader that went away is a failure of this command, in one line. */
static bool show(const struct view *view, const struct answer *answer, bool json) {
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    (void)sigaction(SIGPIPE, &ignore, &before);
    progress_clear();
    if (json)
        view_explain_json(view, answer->list, answer->count);
    else
        view_explain(view, answer->list, answer->count, answer->more);
    errno = 0;
    bool written = fflush(stdout) == 0 && !ferror(stdout);
    if (!written) view_message("explain: cannot be written: %s", strerror(errno ? errno : EIO));
    (void)sigaction(SIGPIPE, &before, NULL);
    return written;
}

static int explain(char *path, const char *text, const struct parsed *parsed) {
    struct report_request request = {.paths = &path, .path_count = 1};
    struct merged merged = {0};
    struct answer answer = {0};
    uint64_t value = 0;
    enum asked asked = parse_asked(text, &value);
    if (asked == ASKED_NOTHING) {
        view_message("explain: %s: no site and no address (weir explain --help)", text);
        return EXIT_USAGE;
    }
    if (asked == ASKED_ADDRESS) dump_seek(value);
    bool whole = report_load(&merged, &request) && merged.part_count;
    int status = EXIT_UNREADABLE;
    if (merged.part_count) {
        merged_build(&merged);
        merged_sort(&merged, BY_BYTES);
        merged_know_modules(&merged);
        struct view view = {.out = stdout, .merged = &merged, .symbols = symbols_new(&merged, &parsed->symbols)};
        find(&answer, &view, asked, value, text, parsed);
        if (answer.count) whole = show(&view, &answer, parsed->json) && whole;
        status = !whole || merged.reason_count ? EXIT_UNREADABLE : answer.count ? EXIT_FINE : EXIT_USAGE;
        symbols_free(view.symbols);
    }
    free(answer.list);
    merged_free(&merged);
    return status;
}

static bool take_option(struct parsed *parsed, int option, const char *value) {
    struct symbol_options *symbols = &parsed->symbols;
    switch (option) {
    case 't':
        return argument_number("top", value, 1, &parsed->most);
    case 'j':
        parsed->json = true;
        return true;
    case 'd':
        symbols->debug_dirs = memory_more(symbols->debug_dirs, &parsed->debug_dir_capacity,
                                          symbols->debug_dir_count + 1, sizeof *symbols->debug_dirs);
        symbols->debug_dirs[symbols->debug_dir_count++] = value;
        return true;
    case 'r':
        symbols->sysroot = value;
        return true;
    case 'k':
        skipped_add(value);
        return true;
    case 'h':
        parsed->help = true;
        return true;
    default:
        return false; /* getopt said what is wrong */
    }
}

int cmd_explain(int count, char **arguments) {
    static char name[] = "weir explain";
    struct parsed parsed = {.most = SITES, .symbols = {.sysroot = ""}};
    int status = EXIT_USAGE;
    bool fine = true;
    arguments[0] = name;
    for (int option = 0; fine && !parsed.help && (option = getopt_long(count, arguments, "", options, NULL)) != -1;)
        fine = take_option(&parsed, option, optarg);
    if (fine && parsed.help)
        status = argument_help(help);
    else if (fine && optind == count - 2)
        status = explain(arguments[optind], arguments[optind + 1], &parsed);
    else if (fine)
        view_message("explain: a dump and a site or an address are wanted (weir explain --help)");
    skipped_forget();
    free(parsed.symbols.debug_dirs);
    return status;
}
