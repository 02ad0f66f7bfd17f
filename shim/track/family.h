/* Blocks that are given back by other functions than they were made for: malloc's by delete, new's by free, an array's
 * by delete, an aligned one's by a plain one, or with another size than they have. Each pair of sites is named once. */
#ifndef WEIR_TRACK_FAMILY_H
#define WEIR_TRACK_FAMILY_H

#include "shim/track/track.h"

/* The program has C++'s operators of its own, one at least: then nobody can tell what its blocks are to be freed by. */
void family_ignore(void);

/* The tracked block is given back so; `frame`: of the entry, NULL where nothing may be walked (a signal handler's). */
void family_check(const struct place *place, const struct release *by, const void *caller, const void *frame);

#endif
