/* Marks: moments that somebody has named, so that a dump can be asked for what was made since (struct dump_mark). The
 * latest DUMP_MARKS_MOST are kept, in the library itself.
 *
 *   1. A slot is changed by who has its word (lock_try_word), so by nobody for ever after a fork.
 *   2. Its number is 0 while it is changed, and stored last: who reads it takes what had one number before and after.
 *
 * So nobody waits: where a slot is being written, by a thread that is DUMP_MARKS_MOST marks behind or was interrupted,
 * there is no mark. */
#ifndef WEIR_BOX_MARKS_H
#define WEIR_BOX_MARKS_H

#include "shim/base/base.h"

/* Of the name n bytes. From a signal handler, too. False: there was none, see above. */
bool mark_set(const char *name, size_t n);

#endif
