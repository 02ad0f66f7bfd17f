/* Text of unknown origin on its way to a terminal or a JSON file: nothing in it may act. */
#ifndef WEIR_VIEW_ESCAPE_H
#define WEIR_VIEW_ESCAPE_H

#include <stddef.h>

#include "reporter/load/dump.h"

/* New strings: control characters, invalid UTF-8, U+0080 to U+009F and characters that reorder or hide text become
 * \xNN, byte by byte. */
char *escape_text(struct text text);
char *escape_string(const char *string);

/* Cut to a number of characters; the left part or, for paths, the right part stays. In place. */
char *escape_fit(char *escaped, size_t width, bool keep_end);

/* Display columns, as the number of characters. */
size_t escape_width(const char *escaped);

#endif
