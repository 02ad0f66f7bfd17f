/* Functions that name no site: allocators, their wrappers and the runtimes' own, by patterns in which * stands for
 * anything. More of them are added by --skip, and by a file of them. */
#ifndef WEIR_SYMBOLS_SKIPPED_H
#define WEIR_SYMBOLS_SKIPPED_H

#include <stdbool.h>

/* The function's name, without parameters. */
bool skipped(const char *brief);

/* The pattern is copied. */
void skipped_add(const char *pattern);

/* A pattern a line; empty lines and those that begin with # are none. False: errno says why it cannot be read. */
bool skipped_read(const char *path);

/* Read where the report is made, if it is there. */
#define SKIPPED_FILE "weir:skip"

void skipped_forget(void);

#endif
