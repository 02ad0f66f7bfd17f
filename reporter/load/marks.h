/* What was made since a mark. The mark is one of the dump's: by its name, the latest of it, or by its number, #N. */
#ifndef WEIR_LOAD_MARKS_H
#define WEIR_LOAD_MARKS_H

#include "reporter/load/merge.h"

/* Dumps that are opened from here on count only what was made since the mark; NULL: everything. */
void marks_since(const char *mark);

/* Of a dump that is being opened: finds the mark in it. */
void marks_find(struct dump *dump);

/* Dumps that count and do not have the mark are reasons why the report is partial. False: no dump has it. */
bool marks_are_there(struct merged *merged);

#endif
