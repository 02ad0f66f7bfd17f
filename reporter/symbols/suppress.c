/* See suppress.h. */
#include "reporter/symbols/suppress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/symbols/glob.h"

#define COUNT(list)  (sizeof(list) / sizeof *(list))
#define BIT(verdict) (1u << (verdict))
#define ANY          (BIT(DUMP_LEAKED) | BIT(DUMP_INDIRECT) | BIT(DUMP_POSSIBLE) | BIT(DUMP_IN_USE))

/* --- reading --- */

struct reading {
    const char *path;
    size_t program; /* as in struct suppression */
    FILE *file;
    char *text; /* the line at hand, without the spaces around it */
    char *buffer;
    size_t size;
    unsigned line;
};

static bool next_line(struct reading *r) {
    if (getline(&r->buffer, &r->size, r->file) < 0) return false;
    r->line++;
    r->text = r->buffer + strspn(r->buffer, " \t");
    size_t length = strlen(r->text);
    while (length && strchr(" \t\r\n", r->text[length - 1])) length--;
    r->text[length] = 0;
    return true;
}

/* The next line that is neither empty nor a comment, which Valgrind's blocks may hold, too. */
static bool next_word(struct reading *r) {
    while (next_line(r))
        if (*r->text && *r->text != '#') return true;
    return false;
}

static char *wrong(const struct reading *r, const char *what) {
    return memory_format("%s:%u: %s", r->path, r->line, what);
}

static struct suppression rule_of(const struct reading *r, const char *name, bool valgrind) {
    return (struct suppression){.name = memory_text(name, strlen(name)),
                                .path = memory_text(r->path, strlen(r->path)),
                                .program = r->program,
                                .line = r->line,
                                .valgrind = valgrind,
                                .verdicts = ANY};
}

static void add(struct suppressions *all, struct suppression rule) {
    all->rules = memory_more(all->rules, &all->capacity, all->count + 1, sizeof *all->rules);
    all->rules[all->count++] = rule;
}

/* Takes the line. */
static void add_line(struct suppression *rule, char *line) {
    rule->lines = memory_more(rule->lines, &rule->line_capacity, rule->line_count + 1, sizeof *rule->lines);
    rule->lines[rule->line_count++] = line;
}

static void free_rule(struct suppression *rule) {
    for (size_t i = 0; i < rule->line_count; i++) free(rule->lines[i]);
    free(rule->lines);
    free(rule->name);
    free(rule->path);
}

/* LeakSanitizer's: anywhere in the name, unless ^ or $ say where. Ours is for all of it. */
static char *whole_pattern(const char *pattern) {
    bool begins = *pattern == '^';
    pattern += begins;
    size_t length = strlen(pattern);
    bool ends = length && pattern[length - 1] == '$';
    return memory_format("%s%.*s%s", begins ? "" : "*", (int)(length - ends), pattern, ends ? "" : "*");
}

/* race, deadlock and the like are other sanitizers': a list of theirs was given by mistake. */
static char *read_lsan(struct suppressions *all, const struct reading *r) {
    if (strncmp(r->text, "leak:", 5) != 0) return wrong(r, "neither \"leak:PATTERN\" nor the { of a Valgrind block");
    if (!r->text[5]) return wrong(r, "the pattern is empty, and would cover everything");
    struct suppression rule = rule_of(r, r->text + 5, false);
    add_line(&rule, whole_pattern(rule.name));
    add(all, rule);
    return NULL;
}

static unsigned kind_of(const char *word, size_t length) {
    static const struct {
        const char *word;
        unsigned verdicts;
    } kinds[] = {{"definite", BIT(DUMP_LEAKED)},
                 {"indirect", BIT(DUMP_INDIRECT)},
                 {"possible", BIT(DUMP_POSSIBLE)},
                 {"reachable", BIT(DUMP_IN_USE)},
                 {"all", ANY}};
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strlen(kinds[i].word) == length && memcmp(kinds[i].word, word, length) == 0) return kinds[i].verdicts;
    return 0;
}

static bool read_kinds(const char *text, unsigned *verdicts) {
    *verdicts = 0;
    for (;;) {
        text += strspn(text, " \t");
        size_t length = strcspn(text, ", \t");
        unsigned kind = kind_of(text, length);
        if (!kind && !(length == 4 && memcmp(text, "none", 4) == 0)) return false;
        *verdicts |= kind;
        text += length + strspn(text + length, " \t");
        if (!*text) return true;
        if (*text++ != ',') return false;
    }
}

static bool is_frame(const char *text) {
    return strcmp(text, "...") == 0 || strncmp(text, "fun:", 4) == 0 || strncmp(text, "obj:", 4) == 0 ||
           strncmp(text, "src:", 4) == 0;
}

/* "Memcheck,Addrcheck:Leak" */
static bool is_leak(const char *kind) {
    const char *colon = strchr(kind, ':');
    return strcmp(colon + 1, "Leak") == 0 && strstr(kind, "Memcheck") && strstr(kind, "Memcheck") < colon;
}

static char *read_frame(struct suppression *rule, const struct reading *r) {
    static const char kinds[] = "match-leak-kinds:";
    if (strncmp(r->text, kinds, sizeof kinds - 1) == 0)
        return read_kinds(r->text + sizeof kinds - 1, &rule->verdicts)
                   ? NULL
                   : wrong(r, "kinds of leaks are definite, indirect, possible, reachable, all and none");
    if (!is_frame(r->text)) return wrong(r, "a frame is fun:PATTERN, obj:PATTERN, src:FILE:LINE or \"...\"");
    add_line(rule, memory_text(r->text, strlen(r->text)));
    return NULL;
}

static char *read_valgrind(struct suppressions *all, struct reading *r) {
    char *problem = NULL;
    if (!next_word(r)) return wrong(r, "the block does not end");
    struct suppression rule = rule_of(r, r->text, true);
    if (!next_word(r) || !strchr(r->text, ':'))
        problem = wrong(r, "behind a block's name stands its tool and kind, as in Memcheck:Leak");
    bool leak = !problem && is_leak(r->text);
    while (!problem) {
        if (!next_word(r))
            problem = wrong(r, "the block does not end");
        else if (strcmp(r->text, "}") == 0)
            break;
        else if (leak)
            problem = read_frame(&rule, r);
    }
    if (!problem && leak && !rule.line_count) problem = wrong(r, "the block has no frame");
    if (!problem && leak)
        add(all, rule);
    else
        free_rule(&rule);
    return problem;
}

static char *read_list(struct suppressions *suppressions, struct reading *r) {
    char *problem = NULL;
    if (!r->file) return memory_format("%s: %s", r->path, strerror(errno));
    while (!problem && next_word(r))
        problem = strcmp(r->text, "{") == 0 ? read_valgrind(suppressions, r) : read_lsan(suppressions, r);
    if (!problem && ferror(r->file)) problem = memory_format("%s: %s", r->path, strerror(errno));
    free(r->buffer);
    (void)fclose(r->file);
    return problem;
}

char *suppress_read(struct suppressions *suppressions, const char *path) {
    struct reading r = {.path = path, .file = fopen(path, "re")};
    return read_list(suppressions, &r);
}

/* --- lists of programs --- */

static bool is_module(const struct merged_module *m, const struct dump *dump, const struct dump_module *d) {
    struct text path = dump_text(dump, d->path);
    if (m->build_id_length != d->build_id_length) return false;
    if (d->build_id_length) return memcmp(m->build_id, d->build_id, d->build_id_length) == 0;
    return m->fingerprint == d->fingerprint && m->path.length == path.length &&
           memcmp(m->path.bytes, path.bytes, path.length) == 0;
}

/* The program's number among the merged modules, plus one; 0: no stack has it. */
static size_t program_of(const struct merged *merged, const struct dump *dump) {
    for (uint64_t i = 0; i < dump_count(dump, DUMP_MODULES); i++)
        for (size_t j = 0; (dump_modules(dump)[i].flags & DUMP_MODULE_PROGRAM) && j < merged->module_count; j++)
            if (is_module(merged->modules[j], dump, &dump_modules(dump)[i])) return j + 1;
    return 0;
}

static bool same_list(const struct dump *a, const struct dump *b) {
    const struct section *x = &a->sections[DUMP_SUPPRESSIONS], *y = &b->sections[DUMP_SUPPRESSIONS];
    return dump_has(a, DUMP_SUPPRESSIONS) && x->count == y->count &&
           memcmp(x->records, y->records, (size_t)x->count) == 0;
}

/* An earlier part's is the same, of the same program: each child of fork has it. */
static bool came_before(const struct merged *merged, size_t part, size_t program) {
    for (size_t i = 0; i < part; i++)
        if (!merged->parts[i].older && same_list(merged->parts[i].dump, merged->parts[part].dump) &&
            program_of(merged, merged->parts[i].dump) == program)
            return true;
    return false;
}

void suppress_add_programs(struct suppressions *suppressions, const struct merged *merged,
                           void (*problem)(const char *what)) {
    for (size_t i = 0; i < merged->part_count; i++) {
        const struct dump *dump = merged->parts[i].dump;
        size_t size = (size_t)dump_count(dump, DUMP_SUPPRESSIONS), program = size ? program_of(merged, dump) : 0;
        if (merged->parts[i].older || !program || came_before(merged, i, program)) continue;
        struct text name = dump_text(dump, dump->process.name);
        char *path = memory_format("%.*s's own list", (int)name.length, name.bytes);
        struct reading r = {path, program, .file = fmemopen(dump->sections[DUMP_SUPPRESSIONS].records, size, "r")};
        char *what = read_list(suppressions, &r);
        if (what) problem(what);
        free(what);
        free(path);
    }
}

void suppress_forget_programs(struct suppressions *suppressions) {
    size_t kept = 0;
    for (size_t i = 0; i < suppressions->count; i++) {
        struct suppression *rule = &suppressions->rules[i];
        rule->sites = rule->blocks = rule->bytes = 0;
        if (rule->program)
            free_rule(rule);
        else
            suppressions->rules[kept++] = *rule;
    }
    suppressions->count = kept;
    suppressions->leaked_blocks = suppressions->leaked_bytes = 0;
    suppressions->possible_blocks = suppressions->possible_bytes = 0;
}

void suppress_free(struct suppressions *suppressions) {
    for (size_t i = 0; i < suppressions->count; i++) free_rule(&suppressions->rules[i]);
    free(suppressions->rules);
    *suppressions = (struct suppressions){0};
}

/* --- covering --- */

struct stack_frame {
    struct symbol_frame symbol;
    const char *module; /* its path, or "" */
};

struct stack {
    struct stack_frame *frames; /* inlined ones are frames, as they are there */
    size_t count, capacity;
};

static bool lsan_covers(const struct suppression *rule, const struct stack *stack) {
    for (size_t i = 0; i < stack->count; i++) {
        const struct stack_frame *f = &stack->frames[i];
        const char *const names[] = {f->symbol.function, f->symbol.file, f->module};
        for (size_t j = 0; j < COUNT(names); j++)
            if (names[j] && glob_matches(rule->lines[0], names[j])) return true;
    }
    return false;
}

static bool source_is(const char *pattern, const struct symbol_frame *symbol) {
    if (!symbol->file) return false;
    char *place = memory_format("%s:%u", symbol->file, symbol->line);
    const char *base = strrchr(place, '/'), *own = strrchr(symbol->file, '/');
    bool is = glob_matches(pattern, place) || glob_matches(pattern, base ? base + 1 : place) ||
              glob_matches(pattern, symbol->file) || glob_matches(pattern, own ? own + 1 : symbol->file);
    free(place);
    return is;
}

/* Of a function that was inlined Valgrind knows the last part of its name. */
static bool last_part_is(const char *pattern, const struct symbol_frame *symbol) {
    const char *colon = symbol->inlined && symbol->brief ? strrchr(symbol->brief, ':') : NULL;
    return colon && glob_matches(pattern, colon + 1);
}

static bool line_is(const char *line, const struct stack_frame *f) {
    const char *pattern = line + 4;
    if (strncmp(line, "obj:", 4) == 0) return glob_matches(pattern, f->module);
    if (strncmp(line, "src:", 4) == 0) return source_is(pattern, &f->symbol);
    return (f->symbol.linked && glob_matches(pattern, f->symbol.linked)) ||
           (f->symbol.function && glob_matches(pattern, f->symbol.function)) ||
           (f->symbol.brief && glob_matches(pattern, f->symbol.brief)) || last_part_is(pattern, &f->symbol);
}

/* From the innermost frame on. What is between two "..." is found where it comes first; the stack may go on behind. */
static bool lines_cover(char **lines, size_t count, const struct stack *stack) {
    size_t at = 0, frame = 0;
    size_t after = SIZE_MAX, from = 0; /* behind the last "...", and the frame that this is tried from */
    while (at < count) {
        if (strcmp(lines[at], "...") == 0) {
            after = ++at;
            from = frame;
        } else if (frame < stack->count && line_is(lines[at], &stack->frames[frame])) {
            at++;
            frame++;
        } else if (after != SIZE_MAX && from < stack->count) {
            at = after;
            frame = ++from;
        } else {
            return false;
        }
    }
    return true;
}

static bool is_allocation(const char *line) {
    static const char *const names[] = {"malloc",
                                        "calloc",
                                        "realloc",
                                        "memalign",
                                        "aligned_alloc",
                                        "posix_memalign",
                                        "valloc",
                                        "pvalloc",
                                        "reallocarray",
                                        "_Znwm",
                                        "_Znam",
                                        "_ZnwmRKSt9nothrow_t",
                                        "_ZnamRKSt9nothrow_t",
                                        "_ZnwmSt11align_val_t",
                                        "_ZnamSt11align_val_t",
                                        "operator new(unsigned long)",
                                        "operator new[](unsigned long)"};
    if (strncmp(line, "obj:", 4) == 0) return strstr(line, "vgpreload_memcheck") != NULL;
    for (size_t i = 0; strncmp(line, "fun:", 4) == 0 && i < COUNT(names); i++)
        if (glob_matches(line + 4, names[i])) return true;
    return false;
}

static bool valgrind_covers(const struct suppression *rule, const struct stack *stack) {
    size_t first = strcmp(rule->lines[0], "...") == 0 && rule->line_count > 1;
    if (is_allocation(rule->lines[first]) && lines_cover(rule->lines + first + 1, rule->line_count - first - 1, stack))
        return true;
    return lines_cover(rule->lines, rule->line_count, stack);
}

static void unfold(struct stack *stack, char **paths, const struct merged_site *site, struct symbols *symbols) {
    stack->count = 0;
    for (uint32_t i = 0; i < site->frame_count; i++) {
        struct symbol_chain chain = symbols_at(symbols, site->frames[i]);
        size_t count = chain.count ? chain.count : 1;
        stack->frames = memory_more(stack->frames, &stack->capacity, stack->count + count, sizeof *stack->frames);
        for (size_t j = 0; j < count; j++)
            stack->frames[stack->count++] = (struct stack_frame){
                chain.count ? chain.frames[j] : (struct symbol_frame){0}, paths[site->frames[i].module]};
    }
}

static bool is_on(size_t program, const struct merged_site *site) {
    for (uint32_t i = 0; program && i < site->frame_count; i++)
        if (site->frames[i].module + (size_t)1 == program) return true;
    return program == 0;
}

static struct suppression *covering(struct suppressions *all, const struct merged_site *site,
                                    const struct stack *stack) {
    for (size_t i = 0; i < all->count; i++) {
        struct suppression *rule = &all->rules[i];
        if (!(rule->verdicts & BIT(site->verdict)) || !is_on(rule->program, site)) continue;
        if (rule->valgrind ? valgrind_covers(rule, stack) : lsan_covers(rule, stack)) return rule;
    }
    return NULL;
}

static void count(struct suppressions *all, struct suppression *rule, struct merged_site *site) {
    bool possible = site->verdict == DUMP_POSSIBLE;
    site->suppressed = true;
    rule->sites++;
    rule->blocks += site->blocks;
    rule->bytes += site->bytes;
    *(possible ? &all->possible_blocks : &all->leaked_blocks) += site->blocks;
    *(possible ? &all->possible_bytes : &all->leaked_bytes) += site->bytes;
}

static bool is_judged(const struct merged_site *site) {
    return site->blocks > 0 &&
           (site->verdict == DUMP_LEAKED || site->verdict == DUMP_INDIRECT || site->verdict == DUMP_POSSIBLE);
}

/* Names of all frames that will be asked for, at once. */
static void look_up(const struct merged *merged, struct symbols *symbols) {
    struct merged_frame *frames = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < merged->site_count; i++) {
        const struct merged_site *site = merged->sites[i];
        if (!is_judged(site)) continue;
        frames = memory_more(frames, &capacity, count + site->frame_count, sizeof *frames);
        for (uint32_t j = 0; j < site->frame_count; j++) frames[count++] = site->frames[j];
    }
    symbols_prefetch(symbols, frames, count);
    free(frames);
}

void suppress_apply(struct suppressions *suppressions, struct merged *merged, struct symbols *symbols) {
    struct stack stack = {0};
    if (!suppressions->count) return;
    look_up(merged, symbols);
    char **paths = memory_get(merged->module_count, sizeof *paths);
    for (size_t i = 0; i < merged->module_count; i++) {
        struct text path = merged->modules[i]->path;
        paths[i] = memory_text(path.length ? path.bytes : "", path.length);
    }
    for (size_t i = 0; i < merged->site_count; i++) {
        struct merged_site *site = merged->sites[i];
        if (!is_judged(site)) continue;
        unfold(&stack, paths, site, symbols);
        struct suppression *rule = covering(suppressions, site, &stack);
        if (rule) count(suppressions, rule, site);
    }
    for (size_t i = 0; i < merged->module_count; i++) free(paths[i]);
    free(paths);
    free(stack.frames);
    merged_sum(merged);
}
