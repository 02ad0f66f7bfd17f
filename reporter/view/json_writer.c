/* Writing JSON; see json_writer.h. Text that is not printable UTF-8 keeps its \xNN form, as in the text report. */
#include "reporter/view/json_writer.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/view/escape.h"

static void put_quoted(FILE *out, const char *harmless) {
    (void)fputc('"', out);
    for (; *harmless; harmless++) {
        if (*harmless == '"' || *harmless == '\\') (void)fputc('\\', out);
        (void)fputc(*harmless, out);
    }
    (void)fputc('"', out);
}

static void begin(struct json *json, const char *name) {
    if (json->comma) (void)fputc(',', json->out);
    json->comma = true;
    if (name) (void)fprintf(json->out, "\"%s\":", name);
}

void json_open(struct json *json, const char *name, char bracket) {
    begin(json, name);
    (void)fputc(bracket, json->out);
    json->comma = false;
}

void json_close(struct json *json, char bracket) {
    (void)fputc(bracket, json->out);
    json->comma = true;
}

void json_text(struct json *json, const char *name, struct text text) {
    char *harmless = escape_text(text);
    begin(json, name);
    put_quoted(json->out, harmless);
    free(harmless);
}

void json_string(struct json *json, const char *name, const char *string) {
    if (string) {
        json_text(json, name, (struct text){string, strlen(string)});
        return;
    }
    begin(json, name);
    (void)fputs("null", json->out);
}

void json_number(struct json *json, const char *name, uint64_t number) {
    begin(json, name);
    (void)fprintf(json->out, "%llu", (unsigned long long)number);
}

void json_known(struct json *json, const char *name, bool known, uint64_t number) {
    if (known)
        json_number(json, name, number);
    else
        json_string(json, name, NULL);
}

void json_seconds(struct json *json, const char *name, uint64_t nanoseconds) {
    begin(json, name);
    if (nanoseconds == UINT64_MAX) {
        (void)fputs("null", json->out);
        return;
    }
    (void)fprintf(json->out, "%llu.%03llu", (unsigned long long)(nanoseconds / 1000000000u),
                  (unsigned long long)(nanoseconds / 1000000u % 1000));
}

void json_bool(struct json *json, const char *name, bool value) {
    begin(json, name);
    (void)fputs(value ? "true" : "false", json->out);
}
