/* The sites of the table, named so that rows can be told apart: where several have the same name, the function that
 * tells them apart stands beside it.
 *
 *   copy < answer          copy was called by answer
 *   copy <.. main          by main, with other functions in between
 *   getpwuid < sqlite3+0x16a62   the callers are the same, what they called is not
 *   serve:58               only the line is different
 */
#ifndef WEIR_VIEW_LABELS_H
#define WEIR_VIEW_LABELS_H

#include "reporter/view/view.h"

/* One label a row for the first sites, at most `width` wide (with --full: whole). The caller frees each, and the array.
 */
char **labels_make(const struct view *view, size_t count, size_t width);

#endif
