/* Options that are changed while the program runs (weir set). */
#ifndef WEIR_ENTRY_SETTINGS_H
#define WEIR_ENTRY_SETTINGS_H

/* Lines WEIR_…=VALUE, which are overwritten. All of them hold from here on, or none, and why; NULL: they do. In the
 * handler of the dump signal; one at a time. */
const char *settings_change(char *lines);

#endif
