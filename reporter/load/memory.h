/* Checked memory for the reporter: what these return is never NULL. Sizes that come from a file must have been held
 * against the file's own size before they get here. Everybody in the reporter uses it; it knows nobody. */
#ifndef WEIR_LOAD_MEMORY_H
#define WEIR_LOAD_MEMORY_H

#include <stddef.h>
#include <stdio.h>

void *memory_get(size_t count, size_t size); /* zeroed; ends the program with one line when there is none */
void *memory_more(void *old, size_t *capacity, size_t wanted, size_t size); /* grows by doubling, new part zeroed */
char *memory_text(const char *bytes, size_t length);                        /* a terminated copy */
char *memory_append(char *text, const char *more);                          /* takes the text */
FILE *memory_stream(char **text, size_t *length); /* what is written to it is there after fclose */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
