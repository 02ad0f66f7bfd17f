/* Names for frames: asks the debug information, then the symbol table, and remembers every answer. */
#include "reporter/symbols/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/symbols/dwarf.h"
#include "reporter/symbols/symtab.h"

#define MAX_CHAIN 64 /* functions inlined into each other at one address */

struct module {
    bool opened, has_dwarf, has_names;
    const char *why;
    struct module_files files;
    struct dwarf_index dwarf;
    struct symtab symtab;
};

struct answer_key {
    uint64_t address;
    uint64_t module;
};

struct answer {
    struct answer_key key;
    struct symbol_frame *frames;
    size_t count;
    UT_hash_handle hh;
};

struct symbols {
    const struct merged *merged;
    struct symbol_options options;
    struct module *modules;
    size_t module_count, module_capacity;
    struct answer *answers;
};

struct symbols *symbols_new(const struct merged *merged, const struct symbol_options *options) {
    struct symbols *symbols = memory_get(1, sizeof *symbols);
    symbols->merged = merged;
    symbols->options = *options;
    (void)unsetenv("DEBUGINFOD_URLS"); /* libdw must not be tempted to ask the network */
    (void)elf_version(EV_CURRENT);
    return symbols;
}

static struct module *module_at(struct symbols *symbols, uint32_t number) {
    symbols->modules =
        memory_more(symbols->modules, &symbols->module_capacity, (size_t)number + 1, sizeof *symbols->modules);
    if (number >= symbols->module_count) symbols->module_count = (size_t)number + 1;
    struct module *module = &symbols->modules[number];
    if (module->opened) return module;
    module->opened = true;
    module_find(&module->files, symbols->merged->modules[number], &symbols->options);
    module->why = module->files.why;
    struct object *debug = module->files.debug.elf ? &module->files.debug : &module->files.code;
    if (debug->elf) module->has_dwarf = dwarf_index_open(&module->dwarf, debug, &symbols->options);
    if (debug->elf && !module->has_dwarf && !module->why) module->why = "its debug information cannot be read";
    symtab_read(&module->symtab, &module->files.debug);
    if (!module->symtab.full) {
        symtab_free(&module->symtab);
        symtab_read(&module->symtab, &module->files.code);
    }
    module->has_names = module->has_dwarf || module->symtab.full;
    return module;
}

/* Where debug information knows the line but not the function (hand-written assembly, split DWARF), the symbol table
 * adds the name. */
static size_t ask(struct module *module, uint64_t address, struct symbol_frame *frames) {
    size_t count = module->has_dwarf ? dwarf_index_at(&module->dwarf, address, frames, MAX_CHAIN) : 0;
    if (count && frames[count - 1].function) return count;
    struct symtab_entry *entry = symtab_at(&module->symtab, address);
    if (!entry) return count;
    if (!count) frames[count++] = (struct symbol_frame){0};
    frames[count - 1].function = entry->function;
    frames[count - 1].brief = entry->brief;
    return count;
}

/* A return address belongs to the call before it, which may be the last instruction of its function. */
struct symbol_chain symbols_at(struct symbols *symbols, struct merged_frame frame) {
    struct answer_key key = {frame.offset - (frame.exact || !frame.offset ? 0 : 1), frame.module};
    struct answer *answer = NULL;
    HASH_FIND(hh, symbols->answers, &key, sizeof key, answer);
    if (!answer) {
        static struct symbol_frame frames[MAX_CHAIN];
        answer = memory_get(1, sizeof *answer);
        answer->key = key;
        answer->count = ask(module_at(symbols, frame.module), key.address, frames);
        answer->frames = memory_get(answer->count, sizeof *frames);
        if (answer->count) memcpy(answer->frames, frames, answer->count * sizeof *frames);
        HASH_ADD(hh, symbols->answers, key, sizeof key, answer);
    }
    return (struct symbol_chain){answer->frames, answer->count};
}

const char *symbols_why(struct symbols *symbols, uint32_t module) {
    return module_at(symbols, module)->why;
}

void symbols_tally(const struct symbols *symbols, size_t *with, size_t *opened) {
    *with = *opened = 0;
    for (size_t i = 0; i < symbols->module_count; i++) {
        if (!symbols->modules[i].opened || symbols->merged->modules[i]->jit) continue;
        ++*opened;
        *with += symbols->modules[i].has_names;
    }
}

void symbols_free(struct symbols *symbols) {
    struct answer *answer = NULL, *next = NULL;
    HASH_ITER(hh, symbols->answers, answer, next) {
        HASH_DEL(symbols->answers, answer);
        free(answer->frames);
        free(answer);
    }
    for (size_t i = 0; i < symbols->module_count; i++) {
        if (!symbols->modules[i].opened) continue;
        if (symbols->modules[i].has_dwarf) dwarf_index_close(&symbols->modules[i].dwarf);
        symtab_free(&symbols->modules[i].symtab);
        module_close(&symbols->modules[i].files);
    }
    free(symbols->modules);
    free(symbols);
}
