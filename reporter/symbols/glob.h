/* Patterns for names: * stands for anything, also for nothing, ? for one character. */
#ifndef WEIR_SYMBOLS_GLOB_H
#define WEIR_SYMBOLS_GLOB_H

#include <stdbool.h>

bool glob_matches(const char *pattern, const char *name); /* all of the name */

#endif
