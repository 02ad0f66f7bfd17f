/* weir mark: sets a mark in a running program, for weir report --since. It is asked for as a change of options is. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/arguments.h"
#include "reporter/ask.h"
#include "reporter/commands.h"
#include "reporter/load/memory.h"
#include "reporter/view/view.h"
#include "shim/box/format.h"

static const char help[] = "weir mark [options] PID NAME: sets a mark in a running program.\n"
                           "\n"
                           "  --timeout SECONDS  how long to wait for an answer (default 10)\n"
                           "  --help\n"
                           "\n"
                           "Of a later dump weir report shows what was made since then, and is still there.\n"
                           "The latest 1024 marks of a process are kept.\n"
                           "Exit status: 0; 2 usage; 3 there is no mark, and why.\n";

static const struct option options[] = {
    {"timeout", required_argument, NULL, 't'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

/* What a mark may not be called, or NULL. */
static const char *refusal(const char *name) {
    if (!*name) return "a name is wanted";
    if (strlen(name) > DUMP_MARK_NAME_MOST) return "63 bytes are the most";
    if (*name == '#') return "#N stands for a mark's number";
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127) return "control characters are no part of a name";
    return NULL;
}

int cmd_mark(int count, char **arguments) {
    static char name[] = "weir mark";
    double timeout = ASK_TIMEOUT;
    pid_t pid = 0;
    arguments[0] = name;
    for (int option = 0; (option = getopt_long(count, arguments, "+", options, NULL)) != -1;) {
        if (option == 'h') return argument_help(help);
        if (option != 't' || !argument_seconds("timeout", optarg, &timeout)) return EXIT_USAGE;
    }
    if (optind != count - 2 || !argument_pid(arguments[optind], &pid)) {
        view_message("mark: a process number and a name are wanted (weir mark --help)");
        return EXIT_USAGE;
    }
    const char *mark = arguments[optind + 1], *why = refusal(mark);
    if (why) {
        view_message("mark: %.80s: %s", mark, why);
        return EXIT_USAGE;
    }
    char *line = memory_format(DUMP_MARK_SETTING "%s\n", mark), *answer = ask_program(pid, timeout, ASK_SET, line);
    int status = answer ? EXIT_FINE : EXIT_UNREADABLE;
    free(line);
    free(answer);
    return status;
}
