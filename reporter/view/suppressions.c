/* What was suppressed and by what; and suppressions for what was found, as other tools read them. */
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/symbols/suppress.h"
#include "reporter/view/escape.h"
#include "reporter/view/frames.h"
#include "reporter/view/units.h"
#include "reporter/view/view.h"

#define IDENTIFIER      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
#define VALGRIND_FRAMES 10u /* with that of the allocation fewer than the 12 that Valgrind keeps by default */

static void print_rule(const struct view *view, const struct suppression *rule) {
    char *name = escape_fit(escape_string(rule->name), 40, false),
         *path = escape_fit(escape_string(rule->path), 24, true);
    if (rule->sites)
        (void)fprintf(view->out, "     %9s  %11s  %7s  %s (%s:%u)\n", units_bytes(rule->bytes),
                      units_count(rule->blocks), units_count(rule->sites), name, path, rule->line);
    else
        (void)fprintf(view->out, "     %9s  %11s  %7s  %s (%s:%u)\n", "unused", "", "", name, path, rule->line);
    free(name);
    free(path);
}

/* Of a program's own list only what has covered something is told. */
static bool any_is_told(const struct suppressions *all) {
    for (size_t i = 0; all && i < all->count; i++)
        if (all->rules[i].sites || !all->rules[i].program) return true;
    return false;
}

void view_suppressions(const struct view *view) {
    if (!any_is_told(view->suppressions)) return;
    (void)fprintf(view->out, "\n%s    SUPPRESSED       BLOCKS    SITES  BY%s\n", view->options.colour ? "\033[1m" : "",
                  view->options.colour ? "\033[0m" : "");
    for (int used = 1; used >= 0; used--)
        for (size_t i = 0; i < view->suppressions->count; i++)
            if ((view->suppressions->rules[i].sites > 0) == used && (used || !view->suppressions->rules[i].program))
                print_rule(view, &view->suppressions->rules[i]);
}

/* What neither tool's patterns can say for itself stands for anything there. */
static char *pattern_of(const char *name, const char *special) {
    char *pattern = memory_text(name, strlen(name));
    for (char *at = pattern; *at; at++)
        if (strchr(special, *at) || (unsigned char)*at < ' ') *at = '*';
    return pattern;
}

/* The function by which the site goes: from its beginning to its parameters, where it has any. (LeakSanitizer has the
 * names of C functions without, and templates' with the type of their result in front.) */
static char *lsan_of(const struct view *view, const struct merged_site *site) {
    struct site_name name = naming_of(view->symbols, view->merged, site);
    if (!name.frame || !name.symbol.function) return NULL;
    const char *brief = name.symbol.brief, *function = name.symbol.function;
    const char *at = strstr(function, brief);
    char *pattern = pattern_of(brief, "^$");
    char *text = memory_format("leak:%s%s%s\n", at == function ? "^" : "", pattern,
                               !at                 ? ""
                               : at[strlen(brief)] ? "("
                                                   : "$");
    free(pattern);
    return text;
}

/* Behind the last "::" that is in no brackets; operators have brackets of their own in their names. */
static const char *last_part(const char *name) {
    static const char word[] = "operator";
    const char *last = name;
    int depth = 0;
    for (const char *at = name; *at; at++) {
        bool begins = at == name || !strchr(IDENTIFIER, at[-1]);
        if (depth == 0 && begins && strncmp(at, word, sizeof word - 1) == 0) return at;
        depth += (*at == '<' || *at == '(' || *at == '{') - (*at == '>' || *at == ')' || *at == '}');
        if (depth == 0 && at[0] == ':' && at[1] == ':') last = at + 2;
    }
    return last;
}

/* As the linker knows it; C's functions by their name. What was inlined has but the last part of its name there. */
static char *valgrind_name(const struct symbol_frame *symbol) {
    if (symbol->inlined) {
        const char *part = last_part(symbol->brief);
        return memory_format("   fun:*%.*s*\n", (int)strspn(part, IDENTIFIER "~"), part);
    }
    const char *name = symbol->linked ? symbol->linked : symbol->brief;
    bool is_whole = symbol->linked || strspn(name, IDENTIFIER) == strlen(name);
    char *pattern = pattern_of(name, "?"), *text = memory_format("   fun:%s%s\n", is_whole ? "" : "*", pattern);
    free(pattern);
    return text;
}

struct text_list {
    char **texts;
    size_t count, capacity;
};

/* False: it was the last one. */
static bool append_frame(const struct view *view, const struct merged_frame *frame, char **text, unsigned *lines) {
    struct symbol_chain chain = symbols_at(view->symbols, *frame);
    bool known = false;
    for (size_t i = 0; i < chain.count && *lines < VALGRIND_FRAMES; i++) {
        if (!chain.frames[i].function) continue;
        char *line = valgrind_name(&chain.frames[i]);
        *text = memory_append(*text, line);
        free(line);
        known = true;
        ++*lines;
        if (strcmp(chain.frames[i].brief, "main") == 0) return false;
    }
    if (known || *lines >= VALGRIND_FRAMES) return *lines < VALGRIND_FRAMES;
    struct text path = view->merged->modules[frame->module]->path;
    char *module = memory_text(path.length ? path.bytes : "*", path.length ? path.length : 1);
    char *pattern = pattern_of(module, "?"), *line = memory_format("   obj:%s\n", pattern);
    *text = memory_append(*text, line);
    free(line);
    free(pattern);
    free(module);
    return ++*lines < VALGRIND_FRAMES;
}

static bool has_name(const struct view *view, const struct merged_site *site) {
    for (uint32_t i = 0; i < site->frame_count; i++) {
        struct symbol_chain chain = symbols_at(view->symbols, site->frames[i]);
        for (size_t j = 0; j < chain.count; j++)
            if (chain.frames[j].function) return true;
    }
    return false;
}

/* What nothing but an address inside of it leads to is possible there, and may be leaked here. */
static char *valgrind_of(const struct view *view, const struct merged_site *site) {
    unsigned lines = 0;
    bool goes_on = true; /* what is below main may be kept by one and not by the other */
    if (!has_name(view, site)) return NULL;
    char *place = NULL, *name = frames_site(view, site, 60, &place);
    char *text = memory_format("{\n   %s\n   Memcheck:Leak\n   match-leak-kinds: %s\n   fun:*\n", name,
                               site->verdict == DUMP_INDIRECT ? "definite,indirect" : "definite,possible");
    for (uint32_t i = 0; i < site->frame_count && goes_on; i++)
        goes_on = append_frame(view, &site->frames[i], &text, &lines);
    free(name);
    free(place);
    return memory_append(text, "   ...\n}\n");
}

static bool is_new(struct text_list *list, char *text) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->texts[i], text) == 0) return false;
    list->texts = memory_more(list->texts, &list->capacity, list->count + 1, sizeof *list->texts);
    list->texts[list->count++] = text;
    return true;
}

/* A rule once; what it is for stands above it. */
void view_generate(const struct view *view, enum suppression_form form) {
    size_t leaks = view->merged->leaked_sites + view->merged->possible_sites;
    struct text_list rules = {0};
    view_resolve(view, leaks);
    for (size_t i = 0; i < leaks; i++) {
        const struct merged_site *site = view->merged->sites[i];
        char *rule = (form == SUPPRESSIONS_LSAN ? lsan_of : valgrind_of)(view, site);
        char *place = NULL, *name = frames_site(view, site, 60, &place);
        if (!rule || is_new(&rules, rule))
            (void)fprintf(view->out, "# %s %s: %s %s in %s %s\n%s", name, place, view_verdict(site->verdict),
                          units_bytes(site->bytes), units_count(site->blocks), site->blocks == 1 ? "block" : "blocks",
                          rule ? rule : "# (it has no name, so there is no rule)\n");
        else
            free(rule);
        free(name);
        free(place);
    }
    for (size_t i = 0; i < rules.count; i++) free(rules.texts[i]);
    free(rules.texts);
}
