/* weir ls and weir clean: the boxes that are there, and away with those that nobody has any more. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "reporter/arguments.h"
#include "reporter/commands.h"
#include "reporter/load/box.h"
#include "reporter/load/boxes.h"
#include "reporter/load/clock.h"
#include "reporter/load/dump.h"
#include "reporter/load/memory.h"
#include "reporter/view/escape.h"
#include "reporter/view/json_writer.h"
#include "reporter/view/units.h"
#include "reporter/view/view.h"

#define NAME_WIDTH 20
#define YOUNG      10 /* seconds */

static const char list_help[] = "weir ls [options] [DIR]: the boxes of programs that run, or were killed.\n"
                                "\n"
                                "  --json             a list of objects\n"
                                "  --help\n"
                                "\n"
                                "Of this user's programs, of all for root. DIR: where to look, instead of\n"
                                "WEIR_BOX_DIR, XDG_RUNTIME_DIR and /dev/shm.\n"
                                "Exit status: 0; 2 usage; 3 a box could not be read.\n";

static const char clean_help[] = "weir clean [options] [DIR]: removes the boxes of programs that are gone.\n"
                                 "\n"
                                 "  --dry-run          only says which\n"
                                 "  --help\n"
                                 "\n"
                                 "Of this user's programs, of all for root. DIR: where to look, instead of\n"
                                 "WEIR_BOX_DIR, XDG_RUNTIME_DIR and /dev/shm.\n"
                                 "Exit status: 0; 2 usage; 3 a box could not be removed.\n";

static const struct option options[] = {
    {"json", no_argument, NULL, 'j'}, {"dry-run", no_argument, NULL, 'n'}, {"help", no_argument, NULL, 'h'}, {0}};

static const char *state_of(const struct found_box *box) {
    if (box->owner) return "runs";
    if (box->header.ended == BOX_ENDED) return "ended";
    return box->unsure ? "unknown" : "gone";
}

/* ns since it last changed anything, of one that runs since it was started. */
static uint64_t age_of(const struct found_box *box) {
    uint64_t start = box->header.process.start_time, seen = box->header.number[BOX_SEEN], time = clock_monotonic();
    uint64_t from = box->owner ? start : seen;
    return time > from ? time - from : 0;
}

/* As the box has it: strings are read by opening it. */
static char *name_of(const struct found_box *box) {
    struct dump *dump = dump_open(box->path);
    char *name = escape_text(dump_text(dump, dump->process.name));
    dump_close(dump);
    return name;
}

static void print_row(const struct found_box *box) {
    char *path = escape_string(box->path);
    if (box->problem) {
        (void)printf("%44s%s: %s\n", "", path, box->problem);
        free(path);
        return;
    }
    char *name = escape_fit(name_of(box), NAME_WIDTH, false);
    (void)printf("%7u  %-*s %-8s %7s", box->header.process.pid, NAME_WIDTH, name, view_level(box->header.process.level),
                 units_short(box->header.number[BOX_USED]));
    (void)printf(" %7s  %-7s %7s  %s\n", units_short(box->header.number[BOX_PEAK]), state_of(box),
                 units_age(age_of(box)), path);
    free(name);
    free(path);
}

static void print_json(const struct boxes *boxes) {
    struct json json = {.out = stdout};
    json_open(&json, NULL, '[');
    for (size_t i = 0; i < boxes->count; i++) {
        const struct found_box *box = &boxes->found[i];
        json_open(&json, NULL, '{');
        json_word(&json, "box", box->path);
        if (box->problem) {
            json_word(&json, "problem", box->problem);
        } else {
            char *name = name_of(box);
            json_word(&json, "name", name);
            json_number(&json, "pid", box->header.process.pid);
            json_word(&json, "level", view_level(box->header.process.level));
            json_number(&json, "used", box->header.number[BOX_USED]);
            json_number(&json, "peak", box->header.number[BOX_PEAK]);
            json_number(&json, "max", box->header.number[BOX_MAX]);
            json_word(&json, "state", state_of(box));
            json_seconds(&json, "age_seconds", age_of(box));
            free(name);
        }
        json_close(&json, '}');
    }
    json_close(&json, ']');
    (void)fputc('\n', stdout);
}

/* The boxes that are asked for. `chosen`: the command's one option, `known`, was given. False: the answer is `answer`.
 */
static bool begin(int count, char **arguments, char known, const char *help, bool *chosen, struct boxes *boxes,
                  int *answer) {
    *answer = EXIT_USAGE;
    for (int option = 0; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        if (option == 'h') *answer = argument_help(help);
        if (option == '?' || option == 'h') return false;
        if (option != known) {
            view_message("%s: no such option (--help)", arguments[0] + 5);
            return false;
        }
        *chosen = true;
    }
    if (optind + 1 < count) {
        view_message("%s: one folder at most (--help)", arguments[0] + 5);
        return false;
    }
    boxes_find(boxes, optind < count ? arguments[optind] : NULL);
    boxes_find_owners(boxes);
    return true;
}

int cmd_ls(int count, char **arguments) {
    static char name[] = "weir ls";
    bool as_json = false, fine = true;
    int answer = EXIT_FINE;
    struct boxes boxes;
    arguments[0] = name;
    if (!begin(count, arguments, 'j', list_help, &as_json, &boxes, &answer)) return answer;
    if (as_json) print_json(&boxes);
    if (!as_json && boxes.count)
        (void)printf("%7s  %-*s %-8s %7s %7s  %-7s %7s  %s\n", "PID", NAME_WIDTH, "PROGRAM", "LEVEL", "USED", "PEAK",
                     "STATE", "SINCE", "BOX");
    for (size_t i = 0; i < boxes.count; i++) {
        if (!as_json) print_row(&boxes.found[i]);
        fine = fine && !boxes.found[i].problem;
    }
    boxes_free(&boxes);
    return fflush(stdout) == 0 && fine ? EXIT_FINE : EXIT_UNREADABLE;
}

/* A box that its process has not begun yet is none to be removed: it will be. */
static bool is_left(const struct found_box *box) {
    return !box->owner && !box->unsure && !(box->problem && time(NULL) - box->time < YOUNG);
}

int cmd_clean(int count, char **arguments) {
    static char name[] = "weir clean";
    bool dry = false, fine = true;
    int answer = EXIT_FINE;
    struct boxes boxes;
    arguments[0] = name;
    if (!begin(count, arguments, 'n', clean_help, &dry, &boxes, &answer)) return answer;
    for (size_t i = 0; i < boxes.count; i++) {
        const struct found_box *box = &boxes.found[i];
        if (!is_left(box)) continue;
        char *path = escape_string(box->path);
        if (!dry && unlink(box->path) != 0 && errno != ENOENT) {
            view_message("%s: cannot be removed: %s", box->path, strerror(errno));
            fine = false;
        } else {
            (void)printf("%s\n", path);
        }
        free(path);
    }
    boxes_free(&boxes);
    return fflush(stdout) == 0 && fine ? EXIT_FINE : EXIT_UNREADABLE;
}
