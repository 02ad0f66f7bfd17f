/* Writing JSON: commas, quotes and escapes, so that what is written is always one valid value. A NULL name is for
 * members of arrays. */
#ifndef WEIR_VIEW_JSON_WRITER_H
#define WEIR_VIEW_JSON_WRITER_H

#include <stdio.h>

#include "reporter/load/dump.h"

struct json_frames; /* json_stack.h */

struct json {
    FILE *out;
    bool comma;
    struct json_frames *frames; /* NULL: it writes no stacks */
};

void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json, char bracket);
void json_text(struct json *json, const char *name, struct text text);
void json_word(struct json *json, const char *name, const char *string);    /* NULL becomes null */
void json_lines(struct json *json, const char *name, const char *harmless); /* with line ends, which stay */
void json_number(struct json *json, const char *name, uint64_t number);
void json_known(struct json *json, const char *name, bool known, uint64_t number);
void json_seconds(struct json *json, const char *name, uint64_t nanoseconds);
void json_bool(struct json *json, const char *name, bool value);
void json_ready(struct json *json, const char *bytes, size_t length); /* members of an array, written before */

#endif
