/* Checked memory. A reporter that runs out of it has nothing left to report: it says so and ends. */
#include "reporter/load/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void none_left(void) {
    (void)fputs("weir: out of memory\n", stderr);
    exit(3);
}

void *memory_get(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory) none_left();
    return memory;
}

void *memory_more(void *old, size_t *capacity, size_t wanted, size_t size) {
    if (wanted <= *capacity) return old;
    size_t grown = *capacity < 8 ? 8 : *capacity;
    while (grown < wanted) {
        if (grown > SIZE_MAX / 2 / size) none_left();
        grown *= 2;
    }
    char *memory = realloc(old, grown * size);
    if (!memory) none_left();
    memset(memory + *capacity * size, 0, (grown - *capacity) * size);
    *capacity = grown;
    return memory;
}

char *memory_text(const char *bytes, size_t length) {
    char *text = memory_get(length + 1, 1);
    if (length) memcpy(text, bytes, length);
    return text;
}

char *memory_append(char *text, const char *more) {
    char *longer = memory_format("%s%s", text, more);
    free(text);
    return longer;
}

FILE *memory_stream(char **text, size_t *length) {
    FILE *stream = open_memstream(text, length);
    if (!stream) none_left();
    return stream;
}

char *memory_format(const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) none_left();
    return text;
}
