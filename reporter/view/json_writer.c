/* Writing JSON; see json_writer.h. Text that is not printable UTF-8 keeps its \xNN form, as in the text report. */
#include "reporter/view/json_writer.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/view/escape.h"

static void put(FILE *out, const char *bytes, size_t length) {
    if (length) (void)fwrite_unlocked(bytes, 1, length, out); /* of no bytes there may be no address either */
}

static bool is_plain(char byte) {
    return byte >= ' ' && byte <= '~' && byte != '"' && byte != '\\';
}

static void put_quoted(FILE *out, const char *harmless) {
    (void)putc_unlocked('"', out);
    while (*harmless) {
        size_t plain = strcspn(harmless, "\"\\\n");
        put(out, harmless, plain);
        harmless += plain;
        if (!*harmless) break;
        (void)putc_unlocked('\\', out);
        (void)putc_unlocked(*harmless == '\n' ? 'n' : *harmless, out);
        harmless++;
    }
    (void)putc_unlocked('"', out);
}

static void begin(struct json *json, const char *name) {
    if (json->comma) (void)putc_unlocked(',', json->out);
    json->comma = true;
    if (!name) return;
    (void)putc_unlocked('"', json->out);
    put(json->out, name, strlen(name));
    put(json->out, "\":", 2);
}

void json_open(struct json *json, const char *name, char bracket) {
    begin(json, name);
    (void)putc_unlocked(bracket, json->out);
    json->comma = false;
}

void json_close(struct json *json, char bracket) {
    (void)putc_unlocked(bracket, json->out);
    json->comma = true;
}

void json_text(struct json *json, const char *name, struct text text) {
    size_t plain = 0;
    while (plain < text.length && is_plain(text.bytes[plain])) plain++;
    begin(json, name);
    if (plain == text.length) { /* nearly all are */
        (void)putc_unlocked('"', json->out);
        put(json->out, text.bytes, text.length);
        (void)putc_unlocked('"', json->out);
        return;
    }
    char *harmless = escape_text(text);
    put_quoted(json->out, harmless);
    free(harmless);
}

void json_word(struct json *json, const char *name, const char *string) {
    if (string) {
        json_text(json, name, (struct text){string, strlen(string)});
        return;
    }
    begin(json, name);
    (void)fputs("null", json->out);
}

void json_lines(struct json *json, const char *name, const char *harmless) {
    begin(json, name);
    put_quoted(json->out, harmless);
}

void json_number(struct json *json, const char *name, uint64_t number) {
    char digits[20], *at = digits + sizeof digits;
    begin(json, name);
    do *--at = (char)('0' + number % 10);
    while (number /= 10);
    put(json->out, at, (size_t)(digits + sizeof digits - at));
}

void json_known(struct json *json, const char *name, bool known, uint64_t number) {
    if (known)
        json_number(json, name, number);
    else
        json_word(json, name, NULL);
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

void json_ready(struct json *json, const char *bytes, size_t length) {
    if (!length) return;
    begin(json, NULL);
    put(json->out, bytes, length);
}
