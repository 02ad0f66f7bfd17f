/* Looking an address up in a module's files; see lookup.h. */
#include "reporter/symbols/lookup.h"

#include <stdlib.h>

#include "reporter/load/memory.h"
#include "reporter/symbols/dwarf.h"
#include "reporter/symbols/symtab.h"

struct module {
    bool opened, has_dwarf, has_names;
    const char *why;
    struct module_files files;
    struct dwarf_index dwarf;
    struct symtab symtab;
};

struct lookup {
    const struct merged *merged;
    struct symbol_options options;
    struct module *modules;
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

static struct module *module_at(struct lookup *lookup, uint32_t number) {
    struct module *module = &lookup->modules[number];
    if (module->opened) return module;
    module->opened = true;
    module_find(&module->files, lookup->merged->modules[number], &lookup->options);
    module->why = module->files.why;
    struct object *debug = module->files.debug.elf ? &module->files.debug : &module->files.code;
    if (debug->elf) module->has_dwarf = dwarf_index_open(&module->dwarf, debug, &lookup->options);
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
    size_t count = module->has_dwarf ? dwarf_index_at(&module->dwarf, address, frames, LOOKUP_MAX_CHAIN) : 0;
    if (count && frames[count - 1].function) return count;
    struct symtab_entry *entry = symtab_at(&module->symtab, address);
    if (!entry) return count;
    if (!count) frames[count++] = (struct symbol_frame){0};
    frames[count - 1].function = entry->function;
    frames[count - 1].brief = entry->brief;
    return count;
}

void lookup_at(struct lookup *lookup, uint32_t module, uint64_t address, struct lookup_result *result) {
    struct module *found = module_at(lookup, module);
    result->why = found->why;
    result->has_names = found->has_names;
    result->count = ask(found, address, result->frames);
}

void lookup_free(struct lookup *lookup) {
    for (size_t i = 0; i < lookup->merged->module_count; i++) {
        struct module *module = &lookup->modules[i];
        if (!module->opened) continue;
        if (module->has_dwarf) dwarf_index_close(&module->dwarf);
        symtab_free(&module->symtab);
        module_close(&module->files);
    }
    free(lookup->modules);
    free(lookup);
}
