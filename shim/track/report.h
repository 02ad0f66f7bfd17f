/* Misuse of memory: one message that names the pointer and what weir knows of it, then what WEIR_ON_ERROR says. */
#ifndef WEIR_TRACK_REPORT_H
#define WEIR_TRACK_REPORT_H

#include "shim/arena/arena.h"

enum misuse {
    MISUSE_DOUBLE_FREE,
    MISUSE_INTERIOR,
    MISUSE_NEVER_MADE,
    MISUSE_NO_HEAP, /* static data or this thread's stack */
    MISUSE_FOREIGN, /* some other allocator's, or nobody's: named and ignored, never fatal */
    MISUSE_CORRUPTED
};

/* Which of the last two a pointer outside of the arena is. */
enum misuse report_kind_of_foreign(const void *p);

/* Returns with WEIR_ON_ERROR=report, and for a foreign pointer; the call that was misused is then to do nothing. */
void report_misuse(enum misuse what, const char *entry, const void *p, const struct place *place, const void *caller);

#endif
