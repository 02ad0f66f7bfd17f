/* Reading symbol tables; see symtab.h. A symbol names an address only inside its own size: the nearest symbol before
 * it, however far, would be a guess. */
#include "reporter/symbols/symtab.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/symbols/demangle.h"

#define LOOK_BACK 64 /* symbols before an address that may cover it although others begin in between */

static bool is_wanted(const struct symtab *symtab, int type) {
    if (symtab->kind == SYMTAB_VARIABLES) return type == STT_OBJECT || type == STT_COMMON;
    if (symtab->kind == SYMTAB_THREAD_LOCAL) return type == STT_TLS;
    return type == STT_FUNC || type == STT_GNU_IFUNC;
}

static void read_section(struct symtab *symtab, Elf *elf, Elf_Scn *section, const GElf_Shdr *header) {
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = data ? data->d_size / sizeof(Elf64_Sym) : 0;
    if (count > INT32_MAX) count = INT32_MAX;
    for (size_t i = 0; i < count; i++) {
        GElf_Sym symbol;
        if (!gelf_getsym(data, (int)i, &symbol) || symbol.st_shndx == SHN_UNDEF) continue;
        if (!is_wanted(symtab, GELF_ST_TYPE(symbol.st_info))) continue;
        const char *name = elf_strptr(elf, header->sh_link, symbol.st_name);
        if (!name || !*name) continue;
        symtab->entries = memory_more(symtab->entries, &symtab->capacity, symtab->count + 1, sizeof *symtab->entries);
        symtab->entries[symtab->count++] =
            (struct symtab_entry){.address = symbol.st_value, .size = symbol.st_size, .mangled = name};
    }
}

static int compare(const void *left, const void *right) {
    const struct symtab_entry *a = left, *b = right;
    if (a->address != b->address) return a->address < b->address ? -1 : 1;
    return a->size < b->size ? -1 : a->size > b->size;
}

static void read_type(struct symtab *symtab, Elf *elf, GElf_Word type) {
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) && header.sh_type == type) read_section(symtab, elf, section, &header);
    }
}

void symtab_read(struct symtab *symtab, const struct object *object) {
    size_t before = symtab->count;
    if (!object->elf) return;
    read_type(symtab, object->elf, SHT_SYMTAB);
    if (symtab->count > before)
        symtab->full = true;
    else
        read_type(symtab, object->elf, SHT_DYNSYM);
    if (symtab->count) qsort(symtab->entries, symtab->count, sizeof *symtab->entries, compare);
}

/* Parts and copies that a compiler makes of a function have its name, as they have in debug information. */
static char *without_clone(char *name) {
    char *clone = strstr(name, " [clone ");
    if (clone) *clone = 0;
    return name;
}

struct symtab_entry *symtab_at(struct symtab *symtab, uint64_t address) {
    size_t low = 0, high = symtab->count;
    while (low < high) { /* the first entry that begins after the address */
        size_t middle = low + (high - low) / 2;
        if (symtab->entries[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t tries = 0; low > 0 && tries < LOOK_BACK; tries++) {
        struct symtab_entry *entry = &symtab->entries[--low];
        if (address - entry->address >= entry->size) continue;
        if (!entry->function) {
            entry->function = without_clone(demangle(entry->mangled, false));
            entry->brief = without_clone(demangle(entry->mangled, true));
        }
        return entry;
    }
    return NULL;
}

void symtab_free(struct symtab *symtab) {
    for (size_t i = 0; i < symtab->count; i++) {
        free(symtab->entries[i].function);
        free(symtab->entries[i].brief);
    }
    free(symtab->entries);
    *symtab = (struct symtab){0};
}
