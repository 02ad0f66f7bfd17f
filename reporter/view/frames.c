/* Functions and places of frames as text; see frames.h. Where a name is missing, the reason stands in its place. */
#include "reporter/view/frames.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/view/escape.h"

/* std::map<int, foo<bar> >::insert becomes std::map<...>::insert; operators and Rust's <T as U>::f are left alone. */
static void fold_templates(char *name) {
    char *to = name;
    int depth = 0;
    for (const char *at = name; *at; at++) {
        bool is_operator = to - name >= 8 && memcmp(to - 8, "operator", 8) == 0;
        bool folds = *at == '<' && to > name && !strchr(" <.", to[-1]) && !is_operator; /* Java's .<init> neither */
        if (depth && *at == '<') depth++;
        if (depth && *at == '>' && at[-1] != '-' && --depth == 0) {
            memcpy(to, "...", 3);
            to += 3;
        }
        if (!depth) *to++ = *at;
        if (!depth && folds) {
            const char *end = at + 1;
            while (*end && *end != '>' && end - at < 5) end++;
            if (end - at >= 5) depth = 1; /* shorter ones would not get shorter */
        }
    }
    if (depth) { /* not balanced: the rest is gone, and the dots say so */
        memcpy(to, "...", 3);
        to += 3;
    }
    *to = 0;
}

/* com.example.shop.Order.place becomes Order.place: who reads a narrow column needs the end of the name. */
static void fold_packages(char *name) {
    char *class = name;
    for (char *at = name; (*at >= 'a' && *at <= 'z') || (at > class && (isdigit((unsigned char)*at) || *at == '_'));) {
        at += strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_");
        if (*at != '.') return;
        class = ++at;
    }
    if (isupper((unsigned char)*class)) memmove(name, class, strlen(class) + 1);
}

char *frames_folded(const struct view *view, const struct symbol_frame *symbol, size_t width) {
    if (view->options.full) return escape_string(symbol->function);
    char *name = escape_string(symbol->brief);
    if (escape_width(name) > width) fold_packages(name);
    if (escape_width(name) > width) fold_templates(name);
    return name;
}

char *frames_function(const struct view *view, const struct symbol_frame *symbol, size_t width) {
    char *name = frames_folded(view, symbol, width);
    return view->options.full ? name : escape_fit(name, width, false);
}

char *frames_address(const struct view *view, const struct merged_frame *frame) {
    const struct merged_module *module = view->merged->modules[frame->module];
    unsigned long long offset = frame->offset;
    if (module->jit) return memory_format("0x%llx", offset);
    if (module->lost) return memory_format("module %u+0x%llx", module->index, offset);
    char *name = escape_text(naming_module(module));
    char *address = memory_format("%s+0x%llx", name, offset);
    free(name);
    return address;
}

static char *file_line(const struct view *view, const struct symbol_frame *symbol, size_t width) {
    const char *file = symbol->file;
    size_t folder = symbol->folder ? strlen(symbol->folder) : 0;
    if (!view->options.full && folder && strncmp(file, symbol->folder, folder) == 0 && file[folder] == '/')
        file += folder + 1;
    char *harmless = escape_string(file);
    char *place =
        symbol->line ? memory_format("%s:%u", harmless, symbol->line) : memory_text(harmless, strlen(harmless));
    free(harmless);
    return view->options.full ? place : escape_fit(place, width, true);
}

char *frames_place(const struct view *view, const struct symbol_frame *symbol, const struct merged_frame *frame,
                   size_t width) {
    if (symbol->file) return file_line(view, symbol, width);
    const char *missing = symbol->missing ? symbol->missing : symbols_why(view->symbols, frame->module);
    char *why = escape_string(missing ? missing : "nothing is known"); /* it may name a file */
    bool has_address = symbol->function && !view->merged->modules[frame->module]->jit;
    char *address = has_address ? frames_address(view, frame) : memory_text("", 0);
    const char *between = has_address ? " " : "";
    size_t taken = escape_width(address) + strlen(between) + 2;
    if (!view->options.full) (void)escape_fit(why, width > taken + 8 ? width - taken : 8, false);
    char *place = memory_format("%s%s(%s)", address, between, why);
    free(address);
    free(why);
    return place;
}

char *frames_site(const struct view *view, const struct merged_site *site, size_t width, char **place) {
    struct site_name name = naming_of(view->symbols, view->merged, site);
    *place = memory_text("", 0);
    if (!name.frame) return memory_text("(no stack)", 10);
    free(*place);
    *place = frames_place(view, &name.symbol, name.frame, 48);
    return name.symbol.function ? frames_function(view, &name.symbol, width) : frames_address(view, name.frame);
}
