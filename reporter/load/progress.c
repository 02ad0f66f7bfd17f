/* Progress on a terminal; see progress.h. */
#include "reporter/load/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "reporter/load/clock.h"

static uint64_t first, last;
static bool shown;

void progress_show(const char *what, uint64_t done, uint64_t total) {
    uint64_t now = clock_monotonic() / (CLOCK_SECOND / 1000);
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
