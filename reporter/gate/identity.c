/* See identity.h. */
#include "reporter/gate/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/view/escape.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

static void cut_out(char *from, const char *to) {
    memmove(from, to, strlen(to) + 1);
}

/* What compilers put behind the names of copies: the word, and perhaps a number. From there on nothing is the name's.
 */
static void drop_clones(char *name) {
    static const char *const marks[] = {".constprop", ".isra", ".part",       ".cold",    ".lto_priv",
                                        ".llvm",      ".ipa",  ".localalias", ".resolver"};
    char *clone = strstr(name, " [clone ");
    if (clone) *clone = 0;
    for (size_t i = 0; i < COUNT(marks); i++) {
        char *at = strstr(name, marks[i]), *end = at ? at + strlen(marks[i]) : NULL;
        if (at && at > name && (!*end || (*end == '.' && end[1] >= '0' && end[1] <= '9'))) *at = 0;
    }
}

/* "::h0123456789abcdef" at the end. */
static void drop_hash(char *name) {
    size_t length = strlen(name);
    if (length > 19 && memcmp(name + length - 19, "::h", 3) == 0 &&
        strspn(name + length - 16, "0123456789abcdef") == 16)
        name[length - 19] = 0;
}

static void drop_all(char *name, const char *what) {
    for (char *at = name; (at = strstr(at, what)) != NULL;) cut_out(at, at + strlen(what));
}

/* "[abi:cxx11]" and the like. */
static void drop_tags(char *name) {
    for (char *at = name; (at = strstr(at, "[abi:")) != NULL;) {
        char *end = strchr(at, ']');
        if (!end) return;
        cut_out(at, end + 1);
    }
}

/* The end of what begins with an opening bracket; NULL: it does not end. */
static char *closing(char *at, char open, char close) {
    for (int depth = 0; *at; at++) {
        if (*at == open) depth++;
        if (*at == close && --depth == 0) return at;
    }
    return NULL;
}

static void put_lambda(char *from, const char *end) {
    static const char word[] = "{lambda}";
    char *rest = memory_text(end, strlen(end));
    memcpy(from, word, sizeof word - 1);
    memcpy(from + sizeof word - 1, rest, strlen(rest) + 1);
    free(rest);
}

/* {lambda(int)#1}, <lambda(int)>, 'lambda0'(int) and $_0. */
static void name_lambdas(char *name) {
    for (char *at = name; (at = strpbrk(at, "{<'$")) != NULL; at++) {
        char *end = NULL;
        if (strncmp(at, "{lambda(", 8) == 0) {
            end = closing(at, '{', '}');
        } else if (strncmp(at, "<lambda(", 8) == 0) {
            end = closing(at, '<', '>');
        } else if (strncmp(at, "'lambda", 7) == 0 && (end = strchr(at + 1, '\'')) != NULL) {
            char *behind = end[1] == '(' ? closing(end + 1, '(', ')') : NULL;
            end = behind ? behind : end;
        } else if (at[0] == '$' && at[1] == '_') {
            end = at + 1 + strspn(at + 2, "0123456789");
        }
        if (!end) continue;
        put_lambda(at, end + 1);
        at += 7;
    }
}

void identity_normalise(char *function) {
    drop_clones(function); /* ".part.0.cold" */
    drop_clones(function);
    drop_hash(function);
    drop_all(function, "__cxx11::");
    drop_all(function, "__1::");
    drop_tags(function);
    name_lambdas(function);
}

static char *function_of(const struct symbol_frame *symbol) {
    size_t length = strlen(symbol->brief);
    char *name = memory_get(4 * length + 16, 1); /* a lambda of three bytes becomes one of eight */
    memcpy(name, symbol->brief, length);
    identity_normalise(name);
    return name;
}

/* libfoo-1.2.so.3 is libfoo.so. */
static char *module_of(const struct merged_module *module) {
    if (module->jit) return memory_text("(made while it ran)", 19);
    struct text path = naming_module(module);
    char *name = memory_text(path.length ? path.bytes : "(unknown)", path.length ? path.length : 9);
    char *so = strstr(name, ".so");
    if (!so || (so[3] && so[3] != '.')) return name;
    char *end = so;
    while (end > name && strchr("0123456789.-", end[-1])) end--;
    if (end == name) end = so;
    cut_out(end, ".so");
    return name;
}

static char *place_of(const struct merged *merged, const struct symbol_frame *symbol,
                      const struct merged_frame *frame) {
    const char *slash = symbol->file ? strrchr(symbol->file, '/') : NULL;
    if (!symbol->file || (slash && !slash[1])) return module_of(merged->modules[frame->module]);
    const char *base = slash ? slash + 1 : symbol->file;
    return memory_text(base, strlen(base));
}

static char *harmless(char *raw) {
    char *text = escape_string(raw);
    free(raw);
    return text;
}

/* An address, and of which file it is one: the same build has the same. */
static char *address_of(const struct merged_module *module, const char *place, const struct merged_frame *frame) {
    char build[17] = "";
    for (uint32_t i = 0; i < module->build_id_length && i < 8; i++)
        (void)snprintf(build + (size_t)i * 2, 3, "%02x", module->build_id[i]);
    if (!build[0]) (void)snprintf(build, sizeof build, "%016llx", (unsigned long long)module->fingerprint);
    return memory_format("%s+0x%llx [%s]", place, (unsigned long long)frame->offset, build);
}

static struct identity named(const struct merged *merged, const struct site_name *name) {
    struct identity identity = {.known = name->frame && name->symbol.brief};
    if (!name->frame) {
        identity.place = memory_text("(no stack)", 10);
        identity.text = memory_text("(no stack)", 10);
        return identity;
    }
    const struct merged_module *module = merged->modules[name->frame->module];
    identity.place = harmless(place_of(merged, &name->symbol, name->frame));
    if (identity.known) identity.function = harmless(function_of(&name->symbol));
    identity.text = identity.known ? memory_format("%s %s", identity.function, identity.place)
                                   : address_of(module, identity.place, name->frame);
    return identity;
}

/* The next one further out that has a name and is nobody's runtime. False: there is none. `modules` are those passed.
 */
static bool look_outwards(struct symbols *symbols, const struct merged *merged, struct merged_site *rest,
                          struct site_name *name, char **modules) {
    char *last = memory_text("", 0);
    for (bool found = false;;) {
        const struct merged_module *module = merged->modules[name->frame->module];
        char *place = module_of(module);
        if (strcmp(place, last) != 0) *modules = memory_append(memory_append(*modules, place), " < ");
        free(last);
        last = place;
        uint32_t passed = (uint32_t)(name->frame - rest->frames) + 1;
        rest->frames += passed;
        rest->frame_count -= passed;
        *name = naming_of(symbols, merged, rest);
        bool ends = !name->frame || naming_is_runtime(merged->modules[name->frame->module]);
        found = !ends && name->symbol.brief;
        if (!ends && !found) continue;
        free(last);
        return found;
    }
}

struct identity identity_of(struct symbols *symbols, const struct merged *merged, const struct merged_site *site) {
    struct merged_site rest = *site;
    struct site_name name = naming_of(symbols, merged, &rest);
    struct identity identity = named(merged, &name);
    char *modules = memory_text("", 0);
    if (!identity.known && name.frame && look_outwards(symbols, merged, &rest, &name, &modules)) {
        identity_free(&identity);
        identity = named(merged, &name);
        char *inner = harmless(memory_text(modules, strlen(modules)));
        char *text = memory_format("%s%s", inner, identity.text);
        free(inner);
        free(identity.text);
        identity.text = text;
    }
    free(modules);
    return identity;
}

void identity_free(struct identity *identity) {
    free(identity->text);
    free(identity->function);
    free(identity->place);
}
