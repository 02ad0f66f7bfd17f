/* Questions to a running program, by the dump signal (shim/box/format.h has the protocol). */
#ifndef WEIR_ASK_H
#define WEIR_ASK_H

#include <sys/types.h>

#define ASK_TIMEOUT 10 /* seconds */

/* What the program is asked for. With SETS, by lines of WEIR_...=VALUE. */
enum ask {
    ASK_DUMP,          /* its path is the answer */
    ASK_DUMP_SEARCHED, /* the same, and memory is searched for leaks */
    ASK_SEARCH,        /* only that, for the next dump to be compared with */
    ASK_SET
};

/* Waits for so many seconds. The answer, freed by the caller; NULL: there is none, which was said. */
char *ask_program(pid_t pid, double timeout, enum ask what, const char *settings);

#endif
