/* Functions and places of frames as text, harmless and cut to a width. All return new strings. */
#ifndef WEIR_VIEW_FRAMES_H
#define WEIR_VIEW_FRAMES_H

#include "reporter/symbols/naming.h"
#include "reporter/view/view.h"

char *frames_function(const struct view *view, const struct symbol_frame *symbol, size_t width);
/* The same, shorter where it is wider (without packages, or what is between angle brackets), but not cut. */
char *frames_folded(const struct view *view, const struct symbol_frame *symbol, size_t width);
char *frames_address(const struct view *view, const struct merged_frame *frame); /* module+0xoffset */
char *frames_place(const struct view *view, const struct symbol_frame *symbol, const struct merged_frame *frame,
                   size_t width); /* file:line, or module+0xoffset and why */

/* A site's name: function, or module+0xoffset and why; and where it is, which may be empty. */
char *frames_site(const struct view *view, const struct merged_site *site, size_t width, char **place);

#endif
