/* Lines for people, built without stdio and written with one write(2) to what standard error was at start. */
#ifndef WEIR_BASE_TEXT_H
#define WEIR_BASE_TEXT_H

#include "shim/base/base.h"

struct text {
    size_t length;
    char at[1024]; /* what does not fit is cut off */
};

void text_add(struct text *t, const char *s);
void text_add_bytes(struct text *t, const char *s, size_t n); /* control characters become '?' */
void text_add_number(struct text *t, uint64_t n);
void text_add_hex(struct text *t, uint64_t n); /* with 0x */

/* The text, terminated; one that is full ends a byte earlier. */
const char *text_string(struct text *t);

/* Reads a whole decimal number; false on anything else or overflow. */
bool text_number(const char *s, uint64_t *value);

/* Remembers what standard error is and whether messages are wanted at all. */
void message_start(bool quiet);
void message_be_quiet(bool quiet); /* from here on */

/* Writes the text and a newline to standard error, if descriptor 2 still is a place for messages: what it was at
 * start, a terminal, pipe, socket or null device, or a log file opened for appending. A program may have closed 2 and
 * opened its database there. */
void message_send(struct text *t);

/* The question and the writing apart, for who may ask now and not when there is something to say. */
bool message_is_possible(void);
void message_send_unchecked(struct text *t);

#endif
