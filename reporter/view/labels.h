/* The sites of the table, named so that rows can be told apart: where several have the same name, what tells them apart
 * stands behind it, the first of these that does.
 *
 *   serve:58               the line in it
 *   copy < answer          who called it
 *   copy <.. main          or who called that, with other functions in between
 *   copy < main:12         the same, and from which line
 *   line_new, 24 B         how large its blocks are
 *   cycle at shop+0x1a2b   where in the module that is
 *   Interpreter > ByteBuffer.allocateDirect   a method that nobody knows, by what it called
 *   getpwuid ..> fopen     what it called to have the block
 */
#ifndef WEIR_VIEW_LABELS_H
#define WEIR_VIEW_LABELS_H

#include "reporter/view/view.h"

/* One label a row for the first sites, at most `width` wide (with --full: whole). The caller frees each, and the array.
 */
char **labels_make(const struct view *view, size_t count, size_t width);

#endif
