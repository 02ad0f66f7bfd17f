/* weir diff: what grew between two dumps, by site; where blocks were sampled, only what is beyond chance. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/arguments.h"
#include "reporter/commands.h"
#include "reporter/load/diff.h"
#include "reporter/load/jit.h"
#include "reporter/load/memory.h"
#include "reporter/report.h"
#include "reporter/symbols/skipped.h"
#include "reporter/view/escape.h"
#include "reporter/view/frames.h"
#include "reporter/view/growth.h"
#include "reporter/view/json_writer.h"
#include "reporter/view/labels.h"
#include "reporter/view/units.h"

#define ROWS    10
#define DETAILS 3
#define WIDTH   38
#define GREW    1 /* exit status */

static const char help[] = "weir diff [options] OLD NEW: what grew from one dump to the other, by site.\n"
                           "\n"
                           "  --top N         N sites in the table and N in detail (default: 10 and 3)\n"
                           "  --shrunk        also what shrank\n"
                           "  --json\n"
                           "  -f, --format html=FILE  a page that shows it in colour; besides the text\n"
                           "  --skip PATTERN  functions that name no site, as weir report has it\n"
                           "  --help\n"
                           "\n"
                           "OLD and NEW are dumps or folders of them. Where blocks were sampled, only what\n"
                           "is beyond chance (95 %) is shown, and counts.\n"
                           "Exit status: 0 nothing grew; 1 something did; 2 usage; 3 a dump could not be\n"
                           "read in whole, or is of level disabled.\n";

static const struct option options[] = {{"top", required_argument, NULL, 't'},
                                        {"shrunk", no_argument, NULL, 's'},
                                        {"json", no_argument, NULL, 'j'},
                                        {"skip", required_argument, NULL, 'k'},
                                        {"format", required_argument, NULL, 'f'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

struct parsed {
    size_t rows, details;
    bool shrunk, json;
    struct form_list forms;
};

static const char *sign_of(double value) {
    return value < 0 ? "-" : "+";
}
static uint64_t size_of(double value) {
    return (uint64_t)(fabs(value) + 0.5);
}

/* Those of the table, as a report of their own. */
static size_t choose(const struct diff *diff, const struct parsed *parsed, struct merged_site **sites,
                     const struct diff_site **chosen) {
    size_t n = 0;
    for (size_t i = 0; i < diff->count && n < parsed->rows; i++)
        if (diff->sites[i].least > 0 && !diff->sites[i].gone) chosen[n++] = &diff->sites[i];
    /* The most shrunk are the last. */
    for (size_t i = diff->count; parsed->shrunk && i-- > 0 && n < parsed->rows;)
        if (diff->sites[i].least < 0 && !diff->sites[i].gone) chosen[n++] = &diff->sites[i];
    for (size_t i = 0; i < n; i++) sites[i] = chosen[i]->site;
    return n;
}

static void print_title(const struct diff *diff, const struct merged *now) {
    const struct dump *dump = view_first(now)->dump;
    char *name = escape_fit(escape_text(dump_text(dump, dump->process.name)), 32, false);
    if (diff->same_process)
        (void)printf("%s[%u]  up %s, %s later: ", name, dump->process.pid, units_age(view_uptime(dump)),
                     units_age(diff->apart));
    else
        (void)printf("%s: ", name);
    if (diff->grown)
        (void)printf("grew %s at %zu %s", units_bytes(size_of(diff->grown_bytes)), diff->grown,
                     diff->grown == 1 ? "site" : "sites");
    else
        (void)printf("nothing grew%s", now->sampled ? " beyond chance" : "");
    if (diff->shrunk) (void)printf(", shrank %s at %zu", units_bytes(size_of(diff->shrunk_bytes)), diff->shrunk);
    (void)printf("\n");
    free(name);
}

static void print_row(const struct diff *diff, const struct diff_site *d, size_t number, const char *label) {
    double minutes = (double)diff->apart / 60e9;
    char grew[48], blocks[48];
    (void)snprintf(grew, sizeof grew, "%s%s", sign_of(d->bytes), units_bytes(size_of(d->bytes)));
    (void)snprintf(blocks, sizeof blocks, "%s%s", sign_of(d->blocks), units_count(size_of(d->blocks)));
    (void)printf("%3zu  %10s %9s", number, grew, units_bytes(size_of(d->bytes_now.seen + d->bytes_now.unseen)));
    (void)printf(" %9s  %9s  %s\n", minutes > 0 ? units_bytes(size_of(d->bytes / minutes)) : "", blocks, label);
}

/* What it grew by with its range, which is of no interest where it is exact, and how old what is there is. */
static void print_range(const struct view *view, const struct diff *diff, const struct diff_site *d) {
    double minutes = (double)diff->apart / 60e9;
    uint64_t value = size_of(d->bytes);
    if (d->range.high > d->range.low) {
        (void)printf("    +%s [%s..%s]", units_bytes(value), units_bytes_as(value, d->range.low),
                     units_bytes_as(value, d->range.high));
        if (minutes > 0) {
            uint64_t rate = size_of(d->bytes / minutes);
            (void)printf(", a minute %s [%s..%s]", units_bytes(rate), units_bytes_as(rate, d->range.low / minutes),
                         units_bytes_as(rate, d->range.high / minutes));
        }
        (void)printf("\n");
    }
    growth_lifetimes(view, "Aged", d->ages.bytes);
}

static void print_text(const struct diff *diff, const struct merged *now, const struct parsed *parsed) {
    size_t most = parsed->rows < diff->count ? parsed->rows : diff->count;
    struct merged_site **sites = memory_get(most, sizeof(void *));
    const struct diff_site **chosen = memory_get(most, sizeof(void *));
    size_t n = choose(diff, &(struct parsed){.rows = most, .shrunk = parsed->shrunk}, sites, chosen);
    struct merged shown = *now;
    struct symbol_options symbol_options = {.sysroot = ""};
    struct view view = {.out = stdout,
                        .merged = &shown,
                        .symbols = symbols_new(now, &symbol_options),
                        .options = {.rows = n, .details = parsed->details}};
    shown.sites = sites;
    shown.live_sites = n;
    print_title(diff, now);
    view_resolve(&view, n);
    char **labels = labels_make(&view, n, WIDTH);
    if (n) (void)printf("\n  #  %10s %9s %9s  %9s  SITE\n", "GREW", "NOW", diff->apart ? "A MINUTE" : "", "BLOCKS");
    for (size_t i = 0; i < n; i++) {
        print_row(diff, chosen[i], i + 1, labels[i]);
        free(labels[i]);
    }
    for (size_t i = 0; i < n && i < parsed->details; i++) {
        char *place = NULL, *name = frames_site(&view, sites[i], 40, &place);
        (void)printf("\n#%zu  %s %s %s\n", i + 1, chosen[i]->bytes < 0 ? "SHRANK:" : "GREW:", name, place);
        if (chosen[i]->bytes > 0) print_range(&view, diff, chosen[i]);
        (void)printf("    Created at:\n");
        view_stack(&view, sites[i]->frames, sites[i]->frame_count, sites[i]->flags);
        free(name);
        free(place);
    }
    free(labels);
    free(chosen);
    free(sites);
    symbols_free(view.symbols);
}

static void put_change(struct json *json, const char *name, double value) {
    json_open(json, name, '{');
    json_bool(json, "grew", value > 0);
    json_number(json, "by", size_of(value));
    json_close(json, '}');
}

static void print_json(const struct diff *diff, const struct merged *now) {
    struct json json = {.out = stdout};
    struct symbol_options symbol_options = {.sysroot = ""};
    struct view view = {
        .out = stdout, .merged = now, .symbols = symbols_new(now, &symbol_options), .options = {.rows = VIEW_ALL}};
    view_resolve(&view, VIEW_ALL);
    json_open(&json, NULL, '{');
    json_number(&json, "grown_sites", diff->grown);
    json_number(&json, "grown_bytes", size_of(diff->grown_bytes));
    json_number(&json, "shrunk_sites", diff->shrunk);
    json_number(&json, "shrunk_bytes", size_of(diff->shrunk_bytes));
    json_bool(&json, "same_process", diff->same_process);
    json_seconds(&json, "seconds_apart", diff->apart);
    json_open(&json, "sites", '[');
    for (size_t i = 0; i < diff->count; i++) {
        const struct diff_site *d = &diff->sites[i];
        if (d->least == 0 || d->gone) continue; /* frames of the old report have other numbers */
        char *place = NULL, *name = frames_site(&view, d->site, VIEW_ALL, &place);
        json_open(&json, NULL, '{');
        json_word(&json, "name", name);
        json_word(&json, "place", place);
        put_change(&json, "bytes", d->bytes);
        put_change(&json, "at_least", d->least);
        put_change(&json, "at_most", d->bytes > 0 ? d->range.high : d->range.low);
        if (diff->apart)
            put_change(&json, "bytes_a_minute", d->bytes / ((double)diff->apart / 60e9));
        else
            json_word(&json, "bytes_a_minute", NULL);
        put_change(&json, "blocks", d->blocks);
        growth_ages_json(&json, &d->ages);
        json_number(&json, "bytes_now", size_of(d->bytes_now.seen + d->bytes_now.unseen));
        json_close(&json, '}');
        free(name);
        free(place);
    }
    json_close(&json, ']');
    json_close(&json, '}');
    (void)putchar('\n');
    symbols_free(view.symbols);
}

static bool load(struct merged *merged, char *path) {
    struct report_request request = {.paths = &path, .path_count = 1};
    bool found = report_load(merged, &request);
    return found && merged->part_count && !merged->reason_count;
}

static void build(struct merged *merged, const struct merged *other) {
    for (size_t i = 0; i < merged->part_count; i++)
        for (size_t j = 0; j < other->part_count; j++) jit_lend(merged->parts[i].dump, other->parts[j].dump);
    merged_build(merged);
    merged_sort(merged, BY_BYTES);
}

/* What was not tracked has no sites that could grow: that is no "nothing grew". */
static bool is_tracked(const struct merged *merged, const char *path) {
    for (size_t i = 0; i < merged->part_count; i++) {
        const struct part *part = &merged->parts[i];
        if (part->older || part->dump->process.level != DUMP_DISABLED) continue;
        view_message("%s: a program ran at level disabled: what grew is not known", path);
        return false;
    }
    return true;
}

/* The whole of both. */
static bool write_forms(const struct merged *before, const struct merged *now, const struct parsed *parsed) {
    struct symbol_options symbols = {.sysroot = ""};
    struct view base = {.out = stdout, .merged = before, .symbols = symbols_new(before, &symbols)};
    struct view view = {.out = stdout, .merged = now, .symbols = symbols_new(now, &symbols), .base = &base};
    bool fine = forms_write(&parsed->forms, &view, false);
    symbols_free(view.symbols);
    symbols_free(base.symbols);
    return fine;
}

static int compare(char *old, char *new, const struct parsed *parsed) {
    struct merged before = {0}, now = {0};
    struct diff diff = {0};
    bool whole = load(&before, old);
    diff_split(&before);
    whole = load(&now, new) && whole;
    build(&before, &now);
    build(&now, &before);
    whole = is_tracked(&before, old) && is_tracked(&now, new) && whole;
    if (before.part_count && now.part_count) {
        diff_make(&diff, &before, &now);
        if (diff.reversed) view_message("diff: the second dump is older than the first");
        if (parsed->json)
            print_json(&diff, &now);
        else
            print_text(&diff, &now, parsed);
        whole = write_forms(&before, &now, parsed) && whole;
    }
    int status = !whole || diff.reversed ? EXIT_UNREADABLE : diff.grown ? GREW : EXIT_FINE;
    diff_free(&diff);
    merged_free(&before);
    merged_free(&now);
    return fflush(stdout) == 0 ? status : EXIT_UNREADABLE;
}

int cmd_diff(int count, char **arguments) {
    static char name[] = "weir diff";
    struct parsed parsed = {.rows = ROWS, .details = DETAILS};
    arguments[0] = name;
    for (int option = 0; (option = getopt_long(count, arguments, "f:", options, NULL)) != -1;) {
        switch (option) {
        case 'h':
            return argument_help(help);
        case 't':
            if (!argument_number("top", optarg, 1, &parsed.rows)) return EXIT_USAGE;
            parsed.details = parsed.rows;
            break;
        case 's':
            parsed.shrunk = true;
            break;
        case 'j':
            parsed.json = true;
            break;
        case 'f':
            if (strncmp(optarg, "html=", 5) != 0) view_message("diff: --format=%s: html=FILE is wanted", optarg);
            if (strncmp(optarg, "html=", 5) != 0 || !forms_add(&parsed.forms, optarg)) return EXIT_USAGE;
            break;
        case 'k':
            skipped_add(optarg);
            break;
        default:
            return EXIT_USAGE;
        }
    }
    if (optind != count - 2) {
        view_message("diff: two dumps or folders are wanted (weir diff --help)");
        return EXIT_USAGE;
    }
    int status = compare(arguments[optind], arguments[optind + 1], &parsed);
    forms_free(&parsed.forms);
    return status;
}
