/* Runtimes that make code while they run: what a process lacks to have names for it in reports. For weir doctor. */
#ifndef WEIR_RUNTIMES_H
#define WEIR_RUNTIMES_H

#include <stdbool.h>
#include <sys/types.h>

/* Prints a line a finding; `warn` is called for what is missing. Prints nothing of a process that has no such runtime.
 */
void runtimes_look(pid_t pid, void (*warn)(const char *text));

#endif
