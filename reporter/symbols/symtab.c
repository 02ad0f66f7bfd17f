/* Reading symbol tables; see symtab.h. A symbol names an address only inside its own size: the nearest symbol before
 * it, however far, would be a guess. What is written in assembly often has none: then as far as the next one, and that
 * is near. */
#include "reporter/symbols/symtab.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/symbols/demangle.h"

#define LOOK_BACK 64   /* symbols before an address that may cover it although others begin in between */
#define OPEN_MOST 4096 /* bytes of a function that does not say how many it has */

static bool is_wanted(const struct symtab *symtab, int type) {
    if (symtab->kind == SYMTAB_VARIABLES) return type == STT_OBJECT || type == STT_COMMON;
    if (symtab->kind == SYMTAB_THREAD_LOCAL) return type == STT_TLS;
    return type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE;
}

static bool is_of_code(Elf *elf, const GElf_Sym *symbol, GElf_Shdr *header) {
    Elf_Scn *section = symbol->st_shndx < SHN_LORESERVE ? elf_getscn(elf, symbol->st_shndx) : NULL;
    return section && gelf_getshdr(section, header) && (header->sh_flags & SHF_EXECINSTR) &&
           symbol->st_value - header->sh_addr < header->sh_size;
}

/* Of what has no size: up to the end of its section. Of what is only exported others may lie behind it that nobody
 * knows of, and a label that is local is mostly one inside of a function. */
static uint64_t open_size(const GElf_Shdr *table, const GElf_Sym *symbol, const GElf_Shdr *section) {
    bool local = GELF_ST_BIND(symbol->st_info) == STB_LOCAL && GELF_ST_TYPE(symbol->st_info) == STT_NOTYPE;
    uint64_t left = section->sh_addr + section->sh_size - symbol->st_value;
    if (symbol->st_size || local || table->sh_type != SHT_SYMTAB) return 0;
    return left < OPEN_MOST ? left : OPEN_MOST;
}

/* Tables without local functions have had them taken out (ld -x): those would end what has no size. */
static bool tells_of_locals(const GElf_Sym *symbol) {
    int type = GELF_ST_TYPE(symbol->st_info);
    return GELF_ST_BIND(symbol->st_info) == STB_LOCAL && (type == STT_FUNC || type == STT_FILE);
}

static void read_section(struct symtab *symtab, Elf *elf, Elf_Scn *section, const GElf_Shdr *header) {
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = data ? data->d_size / sizeof(Elf64_Sym) : 0;
    if (count > INT32_MAX) count = INT32_MAX;
    for (size_t i = 0; i < count; i++) {
        GElf_Sym symbol;
        if (!gelf_getsym(data, (int)i, &symbol) || symbol.st_shndx == SHN_UNDEF) continue;
        symtab->has_locals |= tells_of_locals(&symbol);
        if (!is_wanted(symtab, GELF_ST_TYPE(symbol.st_info))) continue;
        const char *name = elf_strptr(elf, header->sh_link, symbol.st_name);
        if (!name || !*name) continue;
        GElf_Shdr code;
        bool is_code = symtab->kind == SYMTAB_FUNCTIONS && is_of_code(elf, &symbol, &code);
        if (!is_code && GELF_ST_TYPE(symbol.st_info) == STT_NOTYPE) continue;
        uint64_t open = is_code ? open_size(header, &symbol, &code) : 0;
        symtab->entries = memory_more(symtab->entries, &symtab->capacity, symtab->count + 1, sizeof *symtab->entries);
        symtab->entries[symtab->count++] = (struct symtab_entry){
            .address = symbol.st_value, .size = open ? open : symbol.st_size, .open = open != 0, .mangled = name};
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

static void end_open(struct symtab *symtab) {
    uint64_t next = UINT64_MAX;
    for (size_t i = symtab->count; i-- > 0;) {
        struct symtab_entry *entry = &symtab->entries[i];
        if (i + 1 < symtab->count && entry->address != entry[1].address) next = entry[1].address;
        if (entry->open && entry->size > next - entry->address) entry->size = next - entry->address;
        if (entry->open && !symtab->has_locals) entry->size = 0;
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
    end_open(symtab);
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
    struct symtab_entry *found = NULL;
    for (size_t tries = 0; low > 0 && tries < LOOK_BACK && (!found || found->open); tries++) {
        struct symtab_entry *entry = &symtab->entries[--low];
        if (address - entry->address < entry->size && (!found || !entry->open)) found = entry;
    }
    if (found && !found->function) {
        found->function = without_clone(demangle(found->mangled, false));
        found->brief = without_clone(demangle(found->mangled, true));
    }
    return found;
}

void symtab_free(struct symtab *symtab) {
    for (size_t i = 0; i < symtab->count; i++) {
        free(symtab->entries[i].function);
        free(symtab->entries[i].brief);
    }
    free(symtab->entries);
    *symtab = (struct symtab){0};
}
