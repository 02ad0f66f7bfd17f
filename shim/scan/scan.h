/* The verdict: which live blocks the program can still reach, looked for in its memory while a dump is written. At the
 * end, with all threads held, what nothing leads to is leaked; of a program that goes on it is so only possibly. */
#ifndef WEIR_SCAN_SCAN_H
#define WEIR_SCAN_SCAN_H

#include "shim/base/base.h"

/* Once: dumps have verdicts where WEIR_LEAKS says so. */
void scan_start(void);

#endif
