/* weir dump: asks a running program for a dump and prints where it lies. With --leaks the program's memory is searched
 * twice, since what is not reached once may be on its way. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "reporter/arguments.h"
#include "reporter/ask.h"
#include "reporter/commands.h"
#include "reporter/load/memory.h"
#include "reporter/view/escape.h"
#include "reporter/view/view.h"

#define APART 1 /* seconds */

static const char help[] = "weir dump [options] PID: asks a running program for a dump, prints its path.\n"
                           "\n"
                           "  --leaks            search for leaks, twice, while it goes on\n"
                           "  --apart SECONDS    how long after each other (default 1)\n"
                           "  --timeout SECONDS  how long to wait for an answer (default 10)\n"
                           "  --help\n"
                           "\n"
                           "The program must run under libweir.so, as a user that this one may look into.\n"
                           "Exit status: 0; 2 usage; 3 there is no dump, and why.\n";

static const struct option options[] = {{"leaks", no_argument, NULL, 'l'},
                                        {"apart", required_argument, NULL, 'a'},
                                        {"timeout", required_argument, NULL, 't'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

static int print_path(const char *path) {
    char *shown = isatty(STDOUT_FILENO) ? escape_string(path) : memory_text(path, strlen(path));
    bool written = printf("%s\n", shown) > 0 && fflush(stdout) == 0;
    if (!written) view_message("the path cannot be written: %s", strerror(errno));
    free(shown);
    return written ? EXIT_FINE : EXIT_UNREADABLE;
}

static void wait_seconds(double seconds) {
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&time, &time) != 0 && errno == EINTR) {
    }
}

/* False: that was said. */
static bool search_first(pid_t pid, double timeout, double apart) {
    char *answer = ask_program(pid, timeout, ASK_SEARCH, NULL);
    if (!answer) return false;
    free(answer);
    wait_seconds(apart);
    return true;
}

int cmd_dump(int count, char **arguments) {
    static char name[] = "weir dump";
    double timeout = ASK_TIMEOUT, apart = APART;
    bool leaks = false;
    pid_t pid = 0;
    arguments[0] = name;
    for (int option = 0; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        if (option == 'h') return argument_help(help);
        if (option == 'l')
            leaks = true;
        else if (option == 'a' ? !argument_seconds("apart", optarg, &apart)
                               : option != 't' || !argument_seconds("timeout", optarg, &timeout))
            return EXIT_USAGE;
    }
    if (optind != count - 1 || !argument_pid(arguments[optind], &pid)) {
        view_message("dump: one process number is wanted (weir dump --help)");
        return EXIT_USAGE;
    }
    if (leaks && !search_first(pid, timeout, apart)) return EXIT_UNREADABLE;
    char *path = ask_program(pid, timeout, leaks ? ASK_DUMP_SEARCHED : ASK_DUMP, NULL);
    int status = path ? print_path(path) : EXIT_UNREADABLE;
    free(path);
    return status;
}
