/* weir set: changes options of a running program. What can be changed its library says (shim/base/options.c). */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/arguments.h"
#include "reporter/ask.h"
#include "reporter/commands.h"
#include "reporter/load/memory.h"
#include "reporter/run.h"
#include "reporter/view/view.h"
#include "shim/box/format.h"

static const char help[] = "weir set [options] PID NAME=VALUE...: changes options of a running program.\n"
                           "\n"
                           "  level=paranoid      of blocks made from now on; not in a program that began\n"
                           "                      at level disabled\n"
                           "  max-direct=512M     the ceiling; none\n"
                           "  sample-rate, on-limit, reserve, high-watermark, low-watermark, on-watermark,\n"
                           "  dump-at, leaks, scan, on-error, on-mismatch, quiet: as weir run has them\n"
                           "\n"
                           "  --timeout SECONDS   how long to wait (default 10)\n"
                           "  --help\n"
                           "\n"
                           "All of them are changed, or none.\n"
                           "Exit status: 0; 2 usage; 3 nothing was changed, and why.\n";

static const struct option options[] = {
    {"timeout", required_argument, NULL, 't'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

/* Adds a line WEIR_...=VALUE. False, and said: it is none. */
static bool add_line(char **lines, const char *argument) {
    size_t length = strcspn(argument, "=");
    const struct run_option *option = run_option(argument, length);
    const char *value = argument + length + 1;
    if (!argument[length]) {
        view_message("set: %.80s: NAME=VALUE is wanted (weir set --help)", argument);
    } else if (!option) {
        view_message("set: %.*s: no such option (weir set --help)", (int)(length < 80 ? length : 80), argument);
    } else if (!option->check(value)) {
        view_message("set: %.80s: not %s", argument, option->expected);
    } else if (strchr(value, '\n')) {
        view_message("set: %s: a line break is no part of a value", option->flag);
    } else {
        char *more = memory_format("%s%s=%s\n", *lines, option->variable, value);
        free(*lines);
        *lines = more;
        if (strlen(more) < DUMP_SETTINGS_MAX) return true;
        view_message("set: too much at once");
    }
    return false;
}

int cmd_set(int count, char **arguments) {
    static char name[] = "weir set";
    double timeout = ASK_TIMEOUT;
    pid_t pid = 0;
    arguments[0] = name;
    for (int option = 0; (option = getopt_long(count, arguments, "+", options, NULL)) != -1;) {
        if (option == 'h') return argument_help(help);
        if (option != 't' || !argument_seconds("timeout", optarg, &timeout)) return EXIT_USAGE;
    }
    if (optind > count - 2 || !argument_pid(arguments[optind], &pid)) {
        view_message("set: a process number and NAME=VALUE are wanted (weir set --help)");
        return EXIT_USAGE;
    }
    char *lines = memory_text("", 0), *answer = NULL;
    bool fine = true;
    for (int i = optind + 1; i < count && fine; i++) fine = add_line(&lines, arguments[i]);
    if (fine) answer = ask_program(pid, timeout, ASK_SET, lines);
    int status = answer ? EXIT_FINE : fine ? EXIT_UNREADABLE : EXIT_USAGE;
    free(lines);
    free(answer);
    return status;
}
