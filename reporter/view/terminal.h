/* What the terminal that is written to takes. */
#ifndef WEIR_VIEW_TERMINAL_H
#define WEIR_VIEW_TERMINAL_H

#include "reporter/view/view.h"

/* It is a terminal, which may have colours: NO_COLOR is empty (no-color.org), and TERM is not "dumb". */
bool terminal_has_colour(FILE *out);

/* It has colours, and is one of those that are known to make links of OSC 8 ("Hyperlinks in Terminal Emulators"), by
 * what they set in the environment; FORCE_HYPERLINK says otherwise, 0 for no. */
bool terminal_has_links(FILE *out);

/* Text that leads to the file, where the view's options have links and its path is known; harmless text comes back as
 * it is otherwise. Takes it. */
char *terminal_link(const struct view *view, char *text, const struct symbol_frame *symbol);

#endif
