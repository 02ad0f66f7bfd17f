/* A box (shim/box/format_box.h) made a dump of: what a process left that was killed, or has of itself while it runs. */
#ifndef WEIR_LOAD_BOX_H
#define WEIR_LOAD_BOX_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/box/format_box.h"

/* The file begins as a box does. */
bool box_is_one(int fd, uint64_t size);

/* The header, checked; NULL, or why it is none that can be read. */
const char *box_header(int fd, uint64_t size, struct box_header *header);

/* Of rows as a box has them those that are there, first; how many. What is live is what was at the peak, where that is
 * now: `is_peak` says so, NULL: where more is live than the rows' peaks. */
uint32_t box_rows(struct dump_total *rows, uint32_t count, const bool *is_peak);

/* What is known of its process from elsewhere. */
struct box_process {
    uint64_t time;        /* of now, or of its end, CLOCK_MONOTONIC ns; 0: as late as the box knows of */
    uint32_t exit_status; /* DUMP_STATUS_UNKNOWN: it runs, a signal has ended it, or nobody knows */
    uint32_t killed_by;   /* the number of that signal; 0: none, or nobody knows */
};

/* A dump of it in a file that only the descriptor leads to, its size in *size; -1, and why. The box may change
 * meanwhile; it is read once. */
int box_to_dump(int fd, uint64_t *size, const struct box_process *known, const char **why);

#endif
