/* The parts of `weir run`, one file each: run_values.c checks options, run_child.c runs the program, run_dumps.c finds
 * its dumps and sums up, run_left.c looks at what else it left, run_boxes.c at what was killed. */
#ifndef WEIR_RUN_H
#define WEIR_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "reporter/symbols/program.h"

/* --- run_values.c: --max-direct is WEIR_MAX_DIRECT --- */

struct run_option {
    const char *flag, *variable;
    bool (*check)(const char *value);
    const char *expected;
};
extern const struct run_option run_options[];
extern const size_t run_option_count;
const struct run_option *run_option(const char *name, size_t length); /* max-direct or WEIR_MAX_DIRECT; NULL: unknown */

/* A size as options have it: bytes, with K, M, G or T, or a percentage. False: it is none. */
struct run_size {
    uint64_t number; /* bytes, or percent */
    bool percent;
};
bool run_size(const char *value, struct run_size *size);

char *run_self(void); /* the path of this program, "" where it is not told; freed by the caller */

/* Sets the variable; false, and said, where the value is bad. */
bool run_set(const struct run_option *option, const char *value);
bool run_check_environment(void); /* the same for what the environment already says */

/* --- run_dumps.c --- */

struct run {
    char **arguments; /* of the program */
    bool quiet;
    struct program program;
    char id[17];     /* WEIR_RUN: tells the dumps of this run from others */
    char *directory; /* the current folder, absolute */
    char *folder;    /* made for this run; NULL: the user named an output */
    char *kept;      /* weir.NAME.PID.dump, where a single dump ends up */
    struct timespec started;
    uint64_t ended; /* CLOCK_MONOTONIC, ns */
    pid_t pid;
    int wait_status;
    size_t alive;       /* processes that it left running */
    uint64_t oom_kills; /* of its cgroup, before it was started */
};

bool run_make_folder(struct run *run);   /* once the pid is known; false, and said */
char *run_output(const struct run *run); /* the template for the program */
void run_sum_up(struct run *run);

/* --- run_left.c --- */

/* Processes of the run that have not ended; those that only write a dump into the folder are waited for, 5 s at most.
 * `folder` NULL: it is not known where dumps go. */
size_t run_count_alive(const struct run *run, const char *folder);

/* Removes a dump that its writer was ended before, by the ".part" of its name. */
void run_remove_torn(const char *folder, const char *name);

/* --- run_boxes.c --- */

/* Boxes of processes of the run that are gone become dumps in the folder; how each ended is said, as far as that is
 * known. */
void run_collect_boxes(const struct run *run, const char *folder);

/* Processes that the kernel has killed for memory in this one's cgroup, ever; false: that is not known. */
bool run_count_oom_kills(uint64_t *kills);

/* --- run_child.c --- */

/* Runs it to its end; EXIT_FINE, or the status to exit with where it could not be started (that was said). */
int run_child(struct run *run);
_Noreturn void run_end_as_child(int wait_status); /* the same exit status, or the same signal */

#endif
