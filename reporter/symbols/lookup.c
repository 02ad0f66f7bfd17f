/* Looking an address up in a module's files; see lookup.h. */
#include "reporter/symbols/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/symbols/dwarf.h"
#include "reporter/symbols/jitted.h"
#include "reporter/symbols/symtab.h"

struct module {
    bool opened, has_dwarf, has_names;
    const char *why;
    struct module_files files;
    struct dwarf_index dwarf;
    struct symtab symtab;
    struct symtab variables[2]; /* thread-local ones apart; read when first asked for */
};

struct lookup {
    const struct merged *merged;
    struct symbol_options options;
    struct module *modules;
    struct jitted jitted; /* the last one that was asked for */
};

struct lookup *lookup_new(const struct merged *merged, const struct symbol_options *options) {
    struct lookup *lookup = memory_get(1, sizeof *lookup);
    lookup->merged = merged;
    lookup->options = *options;
    lookup->modules = memory_get(merged->module_count, sizeof *lookup->modules);
    (void)unsetenv("DEBUGINFOD_URLS"); /* libdw must not be tempted to ask the network */
    (void)elf_version(EV_CURRENT);
    return lookup;
}

/* The whole table of either file; else what is exported, and what MiniDebugInfo has besides. */
static void read_symbols(struct symtab *symtab, const struct module_files *files, enum symtab_kind kind) {
    symtab->kind = kind;
    symtab_read(symtab, &files->debug);
    if (!symtab->full) {
        symtab_free(symtab);
        symtab->kind = kind;
        symtab_read(symtab, &files->code);
    }
    if (!symtab->full) symtab_read(symtab, &files->mini);
}

static struct module *module_at(struct lookup *lookup, uint32_t number) {
    struct module *module = &lookup->modules[number];
    if (module->opened) return module;
    module->opened = true;
    files_find(&module->files, lookup->merged->modules[number], &lookup->options);
    module->has_dwarf = dwarf_index_open(&module->dwarf, &module->files, &lookup->options);
    read_symbols(&module->symtab, &module->files, SYMTAB_FUNCTIONS);
    module->has_names = module->has_dwarf || module->symtab.full;
    return module;
}

/* By now: split files are looked for as they are needed. */
static const char *why_of(const struct module *module) {
    return module->files.why ? module->files.why : module->dwarf.why;
}

/* Whether a symbol's name, without parameters, is that of the function that debug information calls `own`: it has more
 * in front, and may write what is between angle brackets in another way. */
static bool is_name_of(const char *brief, const char *own) {
    size_t length = strncmp(own, "operator", 8) == 0 ? strlen(own) : strcspn(own, "<");
    for (const char *at = brief; *at; at++) {
        bool begins = at == brief || at[-1] == ':' || at[-1] == ' ';
        if (begins && strncmp(at, own, length) == 0 && strchr("< [", at[length])) return true; /* or the end */
    }
    return false;
}

/* The outermost frame's name, where debug information does not have the whole of it. */
static void add_name(struct module *module, uint64_t address, const struct dwarf_answer *answer,
                     struct symbol_frame *frame) {
    if (frame->inlined || (frame->function && answer->linked)) return;
    struct symtab_entry *entry = symtab_at(&module->symtab, address);
    if (!entry) return;
    bool is_whole = strcmp(entry->function, entry->mangled) != 0;
    if (frame->function && !(is_whole && answer->own && is_name_of(entry->brief, answer->own))) return;
    frame->function = entry->function;
    frame->brief = entry->brief;
    frame->linked = entry->mangled;
}

static const char *missing_of(const struct module *module, const struct dwarf_answer *answer,
                              const struct symbol_frame *frame) {
    if (frame->function && frame->file && frame->line) return NULL;
    if (answer->why) return answer->why;
    if (!module->has_dwarf && why_of(module)) return why_of(module);
    if (!frame->function) return frame->inlined ? "its name is not known" : "no symbol covers it";
    return "no line is known";
}

static size_t ask(struct module *module, uint64_t address, struct symbol_frame *frames) {
    struct dwarf_answer answer = {0};
    if (module->has_dwarf) answer = dwarf_index_at(&module->dwarf, address, frames, LOOKUP_MAX_CHAIN);
    if (!answer.count) frames[answer.count++] = (struct symbol_frame){0};
    add_name(module, address, &answer, &frames[answer.count - 1]);
    for (size_t i = 0; i < answer.count; i++) frames[i].missing = missing_of(module, &answer, &frames[i]);
    return answer.count;
}

void lookup_at(struct lookup *lookup, uint32_t module, uint64_t address, struct lookup_result *result) {
    const struct merged_module *merged = lookup->merged->modules[module];
    if (merged->jit) {
        jitted_free(&lookup->jitted);
        jitted_look(&lookup->jitted, merged->dump, address);
        result->count = 1;
        result->frames[0] = lookup->jitted.frame;
        result->why = lookup->jitted.why;
        result->has_names = false;
        return;
    }
    struct module *found = module_at(lookup, module);
    result->count = ask(found, address, result->frames);
    result->why = why_of(found);
    result->has_names = found->has_names;
}

void lookup_variable(struct lookup *lookup, uint32_t number, uint64_t address, enum symtab_kind kind,
                     struct lookup_result *result) {
    struct module *module = module_at(lookup, number);
    struct symtab *symtab = &module->variables[kind == SYMTAB_THREAD_LOCAL];
    if (symtab->kind == SYMTAB_FUNCTIONS) read_symbols(symtab, &module->files, kind);
    struct symtab_entry *entry = symtab_at(symtab, address);
    result->why = why_of(module);
    result->has_names = module->has_names;
    result->count = 1;
    result->frames[0] = (struct symbol_frame){.missing = result->why ? result->why : "no symbol covers it"};
    if (entry)
        result->frames[0] = (struct symbol_frame){.function = entry->function,
                                                  .brief = entry->brief,
                                                  .linked = entry->mangled,
                                                  .offset = address - entry->address};
}

void lookup_free(struct lookup *lookup) {
    for (size_t i = 0; i < lookup->merged->module_count; i++) {
        struct module *module = &lookup->modules[i];
        if (!module->opened) continue;
        dwarf_index_close(&module->dwarf);
        symtab_free(&module->symtab);
        symtab_free(&module->variables[0]);
        symtab_free(&module->variables[1]);
        files_close(&module->files);
    }
    jitted_free(&lookup->jitted);
    free(lookup->modules);
    free(lookup);
}
