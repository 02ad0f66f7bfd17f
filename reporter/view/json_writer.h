/* Writing JSON: commas, quotes and escapes, so that what is written is always one valid value. A NULL name is for
 * members of arrays. */
#ifndef WEIR_VIEW_JSON_WRITER_H
#define WEIR_VIEW_JSON_WRITER_H

#include <stdio.h>

#include "reporter/load/dump.h"

struct json {
    FILE *out;
    bool comma;
};

void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json, char bracket);
void json_text(struct json *json, const char *name, struct text text);
/* NULL becomes null. For the linker it has another name: libjansson, which reads baselines, has a json_string, too. */
void json_string(struct json *json, const char *name, const char *string) __asm__("json_writer_string");
void json_number(struct json *json, const char *name, uint64_t number);
void json_known(struct json *json, const char *name, bool known, uint64_t number);
void json_seconds(struct json *json, const char *name, uint64_t nanoseconds);
void json_bool(struct json *json, const char *name, bool value);

#endif
