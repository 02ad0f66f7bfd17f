/* Questions to a running program, by the dump signal (shim/box/format.h has the protocol). */
#ifndef WEIR_ASK_H
#define WEIR_ASK_H

#include <sys/types.h>

#define ASK_TIMEOUT 10 /* seconds */

/* For a dump, whose path is the answer, or with `settings`, lines of WEIR_...=VALUE, to change those. Waits for so many
 * seconds. Freed by the caller; NULL: there is no answer, which was said. */
char *ask_program(pid_t pid, double timeout, const char *settings);

#endif
