/* What the commands' options have in common. Whatever is wrong with a value is said. */
#ifndef WEIR_ARGUMENTS_H
#define WEIR_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A whole decimal number, `least` at least. */
bool argument_number(const char *option, const char *value, size_t least, size_t *number);

/* Up to a day, with fractions. */
bool argument_seconds(const char *option, const char *value, double *seconds);

/* A process number; nothing is said. */
bool argument_pid(const char *value, pid_t *pid);

/* What to type for its options; the exit status. */
int argument_help(const char *help);

#endif
