/* What was made since a mark. The mark is one of the dump's: by its name, the latest of it, or by its number, #N. */
#ifndef WEIR_LOAD_MARKS_H
#define WEIR_LOAD_MARKS_H

#include "reporter/load/merge.h"

/* Dumps that are opened from here on count only what was made since the mark; NULL: everything. */
void marks_since(const char *mark);

/* Of a dump that is being opened: finds the mark in it. */
void marks_find(struct dump *dump);

/* The mark that a block of that time was made after, as its index plus one; 0: none. */
uint32_t marks_at(const struct dump *dump, uint64_t time);

/* Counts so many blocks of the site that were made after a mark, and before the next one; by its name, whichever of
 * them it is. `mark` 0: after marks that are not told. */
void marks_count(struct merged_site *site, const struct dump *dump, uint32_t mark, uint64_t blocks);

/* Dumps that count and do not have the mark are reasons why the report is partial. False: no dump has it. */
bool marks_are_there(struct merged *merged);

#endif
