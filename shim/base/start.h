/* What the kernel gave the program at its start: arguments, environment, auxiliary vector. Read from the initial stack,
 * which ld.so leaves a pointer to, so that it is there before libc is. */
#ifndef WEIR_BASE_START_H
#define WEIR_BASE_START_H

#include "shim/base/base.h"

extern int start_argc;
extern char **start_argv;
extern char **start_envp;
extern uintptr_t start_stack_top; /* no frame of the first thread lies above it */

void start_read(void);

/* A variable's value at program start, or NULL. */
const char *start_variable(const char *name);

/* An entry of the auxiliary vector (getauxval's types), 0 where there is none. */
uint64_t start_auxiliary(uint64_t type);

#endif
