/* Names of signals; the numbers of the real-time ones are glibc's (RTMIN is 34), as in the shim. */
#include "reporter/load/signals.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RTMIN 34
#define RTMAX 64

static bool parse_number(const char *text, int least, int most, int *number) {
    char *end = NULL;
    if (*text < '0' || *text > '9') return false;
    long value = strtol(text, &end, 10);
    if (*end || value < least || value > most) return false;
    *number = (int)value;
    return true;
}

static bool may_be_used(int number) {
    return number != SIGKILL && number != SIGSTOP && number != 32 && number != 33; /* the last two are glibc's own */
}

bool signal_parse(const char *text, int *number) {
    static const int named[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGURG, SIGIO, SIGPWR, SIGQUIT};
    int distance = 0;
    if (parse_number(text, 1, RTMAX, number)) return may_be_used(*number);
    if (strncmp(text, "SIG", 3) == 0) text += 3;
    *number = 0;
    if (strcmp(text, "none") == 0) return true;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (strcmp(text, sigabbrev_np(named[i])) == 0) *number = named[i];
    if (strcmp(text, "IO") == 0) *number = SIGIO; /* glibc calls it POLL */
    if (strncmp(text, "RTMIN", 5) == 0 && (!text[5] || (text[5] == '+' && parse_number(text + 6, 0, 30, &distance))))
        *number = RTMIN + distance;
    if (strncmp(text, "RTMAX", 5) == 0 && (!text[5] || (text[5] == '-' && parse_number(text + 6, 0, 30, &distance))))
        *number = RTMAX - distance;
    return *number != 0;
}

const char *signal_name(int number) {
    static char name[32];
    const char *known = sigabbrev_np(number);
    if (known)
        (void)snprintf(name, sizeof name, "SIG%s", known);
    else if (number >= RTMIN && number <= RTMAX)
        (void)snprintf(name, sizeof name, "SIGRTM%s%d", number < 50 ? "IN+" : "AX-",
                       number < 50 ? number - RTMIN : RTMAX - number);
    else
        (void)snprintf(name, sizeof name, "signal %d", number);
    return name;
}
