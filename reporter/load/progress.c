/* Progress on a terminal; see progress.h. */
#include "reporter/load/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static uint64_t first, last;
static bool shown;

static uint64_t milliseconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void progress_show(const char *what, uint64_t done, uint64_t total) {
    uint64_t now = milliseconds();
    if (!first) first = now;
    if (now - first < 500 || now - last < 100 || !isatty(STDERR_FILENO)) return;
    last = now;
    shown = true;
    (void)fprintf(stderr, "\r\033[K%s %d%%", what, total ? (int)((double)done * 100 / (double)total) : 0);
}

void progress_clear(void) {
    if (shown) (void)fputs("\r\033[K", stderr);
    shown = false;
}
