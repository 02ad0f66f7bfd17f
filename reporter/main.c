/* weir: finds the command and passes the arguments on. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/commands.h"
#include "reporter/view/view.h"

static const char help[] = "weir: pools, caps and audits the memory of programs as they are.\n"
                           "\n"
                           "  weir run [options] [--] PROGRAM ARGS   run a program under weir, then sum up\n"
                           "  weir report [options] DUMP...|DIR      decode dumps\n"
                           "  weir gate [options] -- PROGRAM|DUMP... a verdict for CI\n"
                           "  weir diff OLD NEW                      what grew from one dump to another\n"
                           "  weir explain DUMP SITE|ADDRESS         why it is in use, or called leaked\n"
                           "  weir dump PID                          ask a running program for a dump\n"
                           "  weir set PID NAME=VALUE...             change options of a running program\n"
                           "  weir mark PID NAME                     a moment in it: report --since NAME\n"
                           "  weir ls                                what runs, and what was killed\n"
                           "  weir clean                             removes what nobody owns\n"
                           "  weir doctor [PID]                      why it might not work here; an audit\n"
                           "\n"
                           "  weir COMMAND --help                    the options of a command\n"
                           "  weir --version\n"
                           "\n"
                           "Exit status: run: the program's own, 125 to 127 as env(1); others: 0, 2 usage,\n"
                           "3 input that cannot be read; gate: 1 leaks, 3 inconclusive; diff: 1 growth.\n";

static const struct {
    const char *name;
    int (*run)(int count, char **arguments);
} commands[] = {{"run", cmd_run},         {"report", cmd_report}, {"dump", cmd_dump},
                {"set", cmd_set},         {"doctor", cmd_doctor}, {"diff", cmd_diff},
                {"explain", cmd_explain}, {"gate", cmd_gate},     {"mark", cmd_mark},
                {"ls", cmd_ls},           {"clean", cmd_clean},   {"gate-canary", cmd_gate_canary}};

/* With a standard descriptor closed, the first file opened would take its number and be written to. What takes it here
 * refuses to be written, and is closed again in a program that is run. */
static void fill_standard_descriptors(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int main(int count, char **arguments) {
    fill_standard_descriptors();
    if (count < 2) {
        (void)fputs(help, stderr);
        return EXIT_USAGE;
    }
    const char *name = arguments[1];
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(name, commands[i].name) == 0) return commands[i].run(count - 1, arguments + 1);
    bool wants_help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0;
    if (wants_help || strcmp(name, "--version") == 0) {
        (void)fputs(wants_help ? help : "weir " WEIR_VERSION "\n", stdout);
        return fflush(stdout) == 0 ? EXIT_FINE : EXIT_UNREADABLE;
    }
    view_message("%s: no such command (weir --help)", name);
    return EXIT_USAGE;
}
