/* Leaks that the program itself names as known: the list that its __lsan_default_suppressions() gives. Lines
 * "leak:PATTERN", as LeakSanitizer reads them; a pattern is looked for in the path of each frame's module and in the
 * name of its function, as far as that is known here. Files and lines are not: a dump carries the list, and the
 * reporter knows more. */
#ifndef WEIR_BOX_SUPPRESSED_H
#define WEIR_BOX_SUPPRESSED_H

#include "shim/base/base.h"

#define SUPPRESSED_MAX (32 * KIB) /* bytes of the list; what is longer is cut off behind a line */

/* Copies the list, once. */
void suppressed_set(const char *given);

/* All of it, as it was given. */
const char *suppressed_list(size_t *size);

/* Whether a line of it covers the stack. For who writes a dump, or looks for leaks: one at a time; suppressed_end gives
 * back what that took. */
bool suppressed_covers(uint32_t stack);
void suppressed_end(void);

#endif
