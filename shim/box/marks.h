/* Marks: moments that somebody has named, so that a dump can be asked for what was made since (struct dump_mark). The
 * latest DUMP_MARKS_MOST are kept, in the library itself.
 *
 *   1. A slot is changed by who has its word (lock_try_word), so by nobody for ever after a fork.
 *   2. Its number is 0 while it is changed, and stored last: who reads it takes what had one number before and after.
 *
 *   3. What is made after a mark has its time or a later one, what was made before an earlier one (clock_made).
 *
 * So nobody waits: where a slot is being written, by a thread that is DUMP_MARKS_MOST marks behind or was interrupted,
 * there is no mark. */
#ifndef WEIR_BOX_MARKS_H
#define WEIR_BOX_MARKS_H

#include "shim/base/base.h"
#include "shim/box/format.h"

/* Of the name n bytes. From a signal handler, too. False: there was none, see above. */
bool mark_set(const char *name, size_t n);

/* The latest one. False: there is none. */
struct mark {
    uint64_t time; /* blocks of this time or a later one were made after it */
    uint32_t length;
    char name[DUMP_MARK_NAME_MOST];
};
bool mark_latest(struct mark *to);

#endif
