/* See arguments.h. */
#include "reporter/arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "reporter/commands.h"
#include "reporter/view/view.h"

#define DAY         86400
#define HIGHEST_PID 4194304 /* PID_MAX_LIMIT of Linux */

bool argument_number(const char *option, const char *value, size_t least, size_t *number) {
    char *end = NULL;
    errno = 0;
    *number = strtoul(value, &end, 10);
    if (*value >= '0' && *value <= '9' && !*end && !errno && *number >= least) return true;
    if (least)
        view_message("--%s=%s: not a number from %zu", option, value, least);
    else
        view_message("--%s=%s: not a number", option, value);
    return false;
}

bool argument_seconds(const char *option, const char *value, double *seconds) {
    char *end = NULL;
    *seconds = strtod(value, &end);
    if (*value >= '0' && *value <= '9' && !*end && *seconds <= DAY) return true;
    view_message("--%s=%s: not a number of seconds", option, value);
    return false;
}

bool argument_pid(const char *value, pid_t *pid) {
    char *end = NULL;
    long number = strtol(value, &end, 10);
    *pid = (pid_t)number;
    return *value >= '1' && *value <= '9' && !*end && number <= HIGHEST_PID;
}

int argument_help(const char *help) {
    (void)fputs(help, stdout);
    return fflush(stdout) == 0 ? EXIT_FINE : EXIT_UNREADABLE;
}
