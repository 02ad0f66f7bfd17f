/* Misuse of memory: one message that names the pointer and what weir knows of it, then what WEIR_ON_ERROR says. */
#ifndef WEIR_TRACK_REPORT_H
#define WEIR_TRACK_REPORT_H

#include "shim/arena/arena.h"

enum misuse { MISUSE_DOUBLE_FREE, MISUSE_INTERIOR, MISUSE_NEVER_MADE, MISUSE_FOREIGN, MISUSE_CORRUPTED };

/* Returns only with WEIR_ON_ERROR=report; the call that was misused is then to do nothing. */
void report_misuse(enum misuse what, const char *entry, const void *p, const struct place *place, const void *caller);

#endif
