/* weir dump: asks a running program for a dump and prints where it lies. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/arguments.h"
#include "reporter/ask.h"
#include "reporter/commands.h"
#include "reporter/load/memory.h"
#include "reporter/view/escape.h"
#include "reporter/view/view.h"

static const char help[] = "weir dump [options] PID: asks a running program for a dump, prints its path.\n"
                           "\n"
                           "  --timeout SECONDS  how long to wait (default 10)\n"
                           "  --help\n"
                           "\n"
                           "The program must run under libweir.so, as a user that this one may look into.\n"
                           "Exit status: 0; 2 usage; 3 there is no dump, and why.\n";

static const struct option options[] = {
    {"timeout", required_argument, NULL, 't'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

static int print_path(const char *path) {
    char *shown = isatty(STDOUT_FILENO) ? escape_string(path) : memory_text(path, strlen(path));
    bool written = printf("%s\n", shown) > 0 && fflush(stdout) == 0;
    if (!written) view_message("the path cannot be written: %s", strerror(errno));
    free(shown);
    return written ? EXIT_FINE : EXIT_UNREADABLE;
}

int cmd_dump(int count, char **arguments) {
    static char name[] = "weir dump";
    double timeout = ASK_TIMEOUT;
    pid_t pid = 0;
    arguments[0] = name;
    for (int option = 0; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        if (option == 'h') return argument_help(help);
        if (option != 't' || !argument_seconds("timeout", optarg, &timeout)) return EXIT_USAGE;
    }
    if (optind != count - 1 || !argument_pid(arguments[optind], &pid)) {
        view_message("dump: one process number is wanted (weir dump --help)");
        return EXIT_USAGE;
    }
    char *path = ask_program(pid, timeout, NULL);
    int status = path ? print_path(path) : EXIT_UNREADABLE;
    free(path);
    return status;
}
