/* See jitted.h. */
#include "reporter/symbols/jitted.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/symbols/demangle.h"

static const char *keep(struct jitted *jitted, size_t which, const char *bytes, size_t length) {
    free(jitted->texts[which]);
    return jitted->texts[which] = memory_text(bytes, length);
}

static void set_brief(struct jitted *jitted, const char *bytes, size_t length) {
    jitted->frame.brief = length ? keep(jitted, 1, bytes, length) : keep(jitted, 1, "(anonymous)", 11);
}

/* "/srv/shop.js:10:5": a file, and where the function begins in it. */
static void set_place(struct jitted *jitted, const char *place) {
    const char *line = NULL, *end = place + strlen(place);
    for (int i = 0; i < 2; i++) {
        const char *digits = end;
        while (digits > place && isdigit((unsigned char)digits[-1])) digits--;
        if (digits == end || digits <= place + 1 || digits[-1] != ':') break;
        line = digits;
        end = digits - 1;
    }
    if (end == place) return;
    unsigned long number = line ? strtoul(line, NULL, 10) : 0;
    jitted->frame.file = keep(jitted, 2, place, (size_t)(end - place));
    if (number < UINT32_MAX) jitted->frame.line = (uint32_t)number;
}

/* "Kind:*name place"; of some kinds the name is all there is. */
static bool read_v8(struct jitted *jitted, const char *name) {
    static const char *const kinds[] = {"JS:", "LazyCompile:", "Function:", "Script:", "Eval:"};
    size_t kind = 0;
    while (kind < sizeof kinds / sizeof *kinds && strncmp(name, kinds[kind], strlen(kinds[kind])) != 0) kind++;
    if (kind == sizeof kinds / sizeof *kinds) return false;
    const char *at = name + strlen(kinds[kind]);
    at += strspn(at, "*~^+'");
    const char *blank = strchr(at, ' ');
    set_brief(jitted, at, blank ? (size_t)(blank - at) : strlen(at));
    if (blank) set_place(jitted, blank + 1);
    return true;
}

static bool read_python(struct jitted *jitted, const char *name) {
    const char *colon = strncmp(name, "py::", 4) == 0 ? strchr(name + 4, ':') : NULL;
    if (!colon) return false;
    set_brief(jitted, name + 4, (size_t)(colon - name - 4));
    set_place(jitted, colon + 1);
    return true;
}

/* A signature: the word before the parameters, which names a type and a method of it. */
static bool read_signature(struct jitted *jitted, const char *name) {
    const char *end = strchr(name, '(');
    const char *first = end;
    if (!end || !strchr(end, ')')) return false;
    while (first > name && first[-1] != ' ') first--;
    bool has_type = memchr(first, '.', (size_t)(end - first)) || memmem(first, (size_t)(end - first), "::", 2);
    if (!has_type) return false;
    set_brief(jitted, first, (size_t)(end - first));
    return true;
}

static bool read_mangled(struct jitted *jitted, const char *name) {
    if (strncmp(name, "_Z", 2) != 0 && strncmp(name, "_R", 2) != 0) return false;
    char *whole = demangle(name, false), *brief = demangle(name, true);
    set_brief(jitted, brief, strlen(brief));
    jitted->frame.function = keep(jitted, 0, whole, strlen(whole));
    free(whole);
    free(brief);
    return true;
}

void jitted_read(struct jitted *jitted, const char *name, size_t length) {
    const char *text = keep(jitted, 0, name, length);
    jitted->frame.function = text;
    if (read_v8(jitted, text) || read_python(jitted, text) || read_signature(jitted, text) ||
        read_mangled(jitted, text))
        return;
    set_brief(jitted, text, strlen(text));
}

bool jitted_is_unknown(const char *brief) {
    return strcmp(brief, "Interpreter") == 0 || strcmp(brief, "Builtins_InterpreterEntryTrampoline") == 0;
}

/* Why code has no name. */
static const char *why_of(const struct jit *jit) {
    switch (jit ? jit->state : 0) {
    case JIT_MAP_READ:
        return "JIT, not in the perf map";
    case JIT_MAP_NONE:
        return "JIT, no perf map";
    case JIT_MAP_OLD:
        return "JIT, the perf map is older than the process";
    case JIT_MAP_FOREIGN:
        return "JIT, the perf map is not to be trusted";
    case JIT_MAP_FAILED:
        return "JIT, the perf map cannot be read";
    case JIT_MAP_LARGE:
        return "JIT, the perf map is too large";
    default:
        return "code of no module";
    }
}

void jitted_look(struct jitted *jitted, const struct dump *dump, uint64_t address) {
    const struct jit_code *code = jit_at(dump, address);
    *jitted = (struct jitted){.why = why_of(dump->jit)};
    jitted->frame.missing = jitted->why;
    if (!code) return;
    jitted_read(jitted, code->name.bytes, code->name.length);
    if (jitted_is_unknown(jitted->frame.brief))
        jitted->frame.missing = "interpreted, its method is not known";
    else
        jitted->frame.missing = code->reused      ? "JIT, other code was there, too"
                                : dump->jit->late ? "JIT, by a later perf map"
                                                  : "JIT, by the perf map";
}

void jitted_free(struct jitted *jitted) {
    for (size_t i = 0; i < sizeof jitted->texts / sizeof *jitted->texts; i++) free(jitted->texts[i]);
    *jitted = (struct jitted){0};
}
