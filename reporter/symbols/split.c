/* See split.h; DWARF 5 sections 3.1.2, 3.1.3 and 7.3, and the GNU forms of DWARF 4. */
#include "reporter/symbols/split.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/load/file.h"
#include "reporter/load/memory.h"
#include "reporter/symbols/dies.h"

enum { INFO, ABBREV, STR, STR_OFFSETS, TYPES, FOR_LIBDW, RNGLISTS = FOR_LIBDW, PARTS };

/* Column: what the package's index calls the section; 0: it does not divide it. */
static const struct {
    const char *name;
    unsigned column;
} parts[PARTS] = {
    [INFO] = {"info", 1},   [ABBREV] = {"abbrev", 3},    [STR] = {"str", 0}, [STR_OFFSETS] = {"str_offsets", 6},
    [TYPES] = {"types", 0}, [RNGLISTS] = {"rnglists", 8}};

_Static_assert(PARTS <= sizeof((struct splits *)0)->sections / sizeof(struct bytes), "a place for each");

static struct bytes part_of(struct object *object, int part) {
    char name[32];
    if (part == INFO || part == TYPES) {
        (void)snprintf(name, sizeof name, ".debug_%s.dwo", parts[part].name);
        struct bytes joined = object_joined(object, name);
        if (joined.size) return joined;
    }
    (void)snprintf(name, sizeof name, "%s.dwo", parts[part].name);
    return object_debug(object, name);
}

/* --- an ELF file of given sections --- */

/* Only the headers lie in the image: libelf is then told where each section's bytes are. */
static bool compose(struct split *split, const struct bytes sections[PARTS]) {
    static const char names[] = "\0.debug_info\0.debug_abbrev\0.debug_str\0.debug_str_offsets\0.debug_types\0.shstrtab";
    struct {
        Elf64_Ehdr header;
        Elf64_Shdr sections[FOR_LIBDW + 2];
        char names[sizeof names];
    } image = {.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                          .e_type = ET_DYN,
                          .e_machine = EM_X86_64,
                          .e_version = EV_CURRENT,
                          .e_ehsize = sizeof(Elf64_Ehdr),
                          .e_shentsize = sizeof(Elf64_Shdr),
                          .e_shnum = FOR_LIBDW + 2,
                          .e_shstrndx = FOR_LIBDW + 1,
                          .e_shoff = sizeof(Elf64_Ehdr)}};
    size_t offset = (size_t)((char *)image.names - (char *)&image), name = 1;
    memcpy(image.names, names, sizeof names);
    for (size_t i = 1; i < FOR_LIBDW + 2; i++) {
        bool is_names = i == FOR_LIBDW + 1;
        image.sections[i] = (Elf64_Shdr){.sh_name = (Elf64_Word)name,
                                         .sh_type = is_names                   ? SHT_STRTAB
                                                    : sections[i - 1].size > 0 ? SHT_PROGBITS
                                                                               : SHT_NOBITS,
                                         .sh_offset = offset,
                                         .sh_size = sizeof names,
                                         .sh_addralign = 1};
        name += strlen(names + name) + 1;
    }
    split->image = memory_get(1, sizeof image);
    memcpy(split->image, &image, sizeof image);
    split->elf = elf_memory((char *)split->image, sizeof image);
    for (size_t i = 0; i < FOR_LIBDW && split->elf; i++) {
        Elf_Scn *section = sections[i].size ? elf_getscn(split->elf, i + 1) : NULL;
        Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
        if (!data && sections[i].size) return false;
        if (!data) continue;
        data->d_buf = (void *)(uintptr_t)sections[i].at; /* libdw does not write */
        data->d_size = sections[i].size;
    }
    split->dwarf = split->elf ? dwarf_begin_elf(split->elf, DWARF_C_READ, NULL) : NULL;
    return split->dwarf != NULL;
}

/* Finds the unit of this id among those of a file. */
static bool find_unit(struct split *split, uint64_t id) {
    Dwarf_Off at = 0, next = 0;
    size_t header = 0;
    while (dwarf_next_unit(split->dwarf, at, &next, &header, NULL, NULL, NULL, NULL, NULL, NULL) == 0 && next > at) {
        uint8_t type = 0;
        uint64_t found = 0;
        if (dwarf_offdie(split->dwarf, at + header, &split->die) && dwarf_tag(&split->die) == DW_TAG_compile_unit &&
            dwarf_cu_info(split->die.cu, NULL, &type, NULL, NULL, &found, NULL, NULL) == 0 &&
            type == DW_UT_split_compile && found == id) {
            split->size = next - at;
            return true;
        }
        at = next;
    }
    return false;
}

enum outcome { FOUND, OTHER, DAMAGED };

static enum outcome open_unit(struct split *split, const struct bytes sections[PARTS], uint64_t id) {
    if (!sections[INFO].size || !sections[ABBREV].size || !bytes_end(sections[STR])) return DAMAGED;
    if (!compose(split, sections)) return DAMAGED;
    if (!find_unit(split, id)) return OTHER;
    split->ranges.info = sections[INFO];
    split->ranges.lists = sections[RNGLISTS];
    return FOUND;
}

/* --- packages --- */

struct index {
    struct bytes bytes;
    uint64_t columns, units, slots;
};

static uint64_t number_at(const struct index *index, uint64_t place, size_t size) {
    struct cursor c = cursor_at(index->bytes.at, index->bytes.size, place);
    return cursor_fixed(&c, size);
}

/* The hash table of ids, the rows that these lead to, the columns' names, an offset and then a size for each column of
 * each row. */
static bool read_index(struct index *index, struct bytes bytes) {
    *index = (struct index){.bytes = bytes};
    uint64_t version = number_at(index, 0, 4);
    index->columns = number_at(index, 4, 4);
    index->units = number_at(index, 8, 4);
    index->slots = number_at(index, 12, 4);
    if ((version != 2 && (version & 0xffff) != 5) || !index->columns || index->columns > 64) return false;
    if (!index->slots || (index->slots & (index->slots - 1))) return false;
    return 16 + 12 * index->slots + 4 * index->columns * (2 * index->units + 1) <= bytes.size;
}

/* From 1; 0: there is none. */
static uint64_t row_of(const struct index *index, uint64_t id) {
    uint64_t mask = index->slots - 1, slot = id & mask, step = ((id >> 32) & mask) | 1;
    for (uint64_t tries = 0; tries < index->slots; tries++, slot = (slot + step) & mask) {
        uint64_t row = number_at(index, 16 + 8 * index->slots + 4 * slot, 4);
        if (!row) return 0;
        if (number_at(index, 16 + 8 * slot, 8) == id) return row <= index->units ? row : 0;
    }
    return 0;
}

/* The row's share of a section. */
static struct bytes share(const struct index *index, uint64_t row, unsigned column, struct bytes section) {
    uint64_t names = 16 + 12 * index->slots, place = 0;
    while (place < index->columns && number_at(index, names + 4 * place, 4) != column) place++;
    if (place == index->columns) return (struct bytes){0};
    uint64_t offsets = names + 4 * index->columns, sizes = offsets + 4 * index->columns * index->units;
    uint64_t cell = 4 * ((row - 1) * index->columns + place);
    uint64_t offset = number_at(index, offsets + cell, 4), size = number_at(index, sizes + cell, 4);
    if (!section.at || offset > section.size || size > section.size - offset) return (struct bytes){0};
    return (struct bytes){(const char *)section.at + offset, (size_t)size};
}

static void open_package(struct splits *splits) {
    const char *why = NULL;
    char **paths = files_package_paths(splits->files, splits->options);
    splits->looked = true;
    for (size_t i = 0; paths && paths[i] && !splits->index.at; i++) {
        bool opened = object_open(&splits->package, paths[i], (struct build_id){0}, &why);
        if (opened && object_unpack(&splits->package, &why)) splits->index = object_debug(&splits->package, "cu_index");
        if (!splits->index.at && !splits->bad && access(paths[i], F_OK) == 0)
            splits->bad = memory_text(paths[i], strlen(paths[i]));
        if (!splits->index.at) object_close(&splits->package);
    }
    for (int i = 0; i < PARTS && splits->index.at; i++) splits->sections[i] = part_of(&splits->package, i);
    files_free_paths(paths);
}

static enum outcome open_in_package(struct split *split, struct splits *splits, uint64_t id) {
    struct index index;
    struct bytes sections[PARTS] = {{0}};
    if (!splits->looked) open_package(splits);
    if (!splits->index.at) return OTHER;
    if (!read_index(&index, splits->index)) return DAMAGED;
    uint64_t row = row_of(&index, id);
    if (!row) return OTHER;
    for (int i = 0; i < PARTS; i++) {
        struct bytes whole = splits->sections[i];
        sections[i] = parts[i].column ? share(&index, row, parts[i].column, whole) : whole;
    }
    sections[TYPES] = (struct bytes){0}; /* of all units together, without their abbreviations */
    return open_unit(split, sections, id) == FOUND ? FOUND : DAMAGED;
}

/* --- files of one object --- */

/* All that is needed is read at once, so that a program of thousands of units does not need as many descriptors. */
static enum outcome open_file(struct split *split, const char *path, uint64_t id, bool *exists) {
    const char *why = NULL;
    struct bytes sections[PARTS];
    if (!object_open(&split->file, path, (struct build_id){0}, &why)) return OTHER;
    *exists = true;
    if (!object_unpack(&split->file, &why)) return DAMAGED;
    for (int i = 0; i < PARTS; i++) sections[i] = part_of(&split->file, i);
    if (object_unread(&split->file)) return DAMAGED;
    (void)elf_cntl(split->file.elf, ELF_C_FDDONE);
    (void)close(split->file.fd);
    split->file.fd = -1;
    return open_unit(split, sections, id);
}

static char *reason(const char *name, const char *what, const char *then) {
    return memory_format("%s %.255s%s", what, file_base(name), then);
}

/* First the package: where there is one, it was made of the files that the program was. */
static char *open_any(struct split *split, struct splits *splits, Dwarf_Die *skeleton, const char *name, uint64_t id) {
    bool exists = false, damaged = false;
    enum outcome outcome = open_in_package(split, splits, id);
    if (outcome == FOUND) return NULL;
    const char *bad_package = outcome == DAMAGED ? splits->package.path : splits->bad;
    split_close(split);
    char **paths = files_split_paths(splits->files, splits->options, die_text(skeleton, DW_AT_comp_dir), name);
    for (size_t i = 0; paths && paths[i] && outcome != FOUND; i++) {
        outcome = open_file(split, paths[i], id, &exists);
        damaged = damaged || outcome == DAMAGED;
        if (outcome != FOUND) split_close(split);
    }
    files_free_paths(paths);
    if (outcome == FOUND) return NULL;
    if (bad_package) return reason(bad_package, "split debug file", " is damaged");
    if (damaged) return reason(name, "split debug file", " is damaged");
    return exists ? reason(name, "split debug file", " is another one now") : reason(name, "no split debug file", "");
}

static const char *split_name(Dwarf_Die *first) {
    const char *name = die_text(first, DW_AT_dwo_name);
    return name ? name : die_text(first, DW_AT_GNU_dwo_name);
}

bool split_is_skeleton(Dwarf_Die *first) {
    return dwarf_tag(first) == DW_TAG_skeleton_unit || dwarf_hasattr(first, DW_AT_GNU_dwo_name);
}

char *split_open(struct split *split, struct splits *splits, Dwarf_Die *skeleton, const struct ranges_unit *ranges) {
    const char *name = split_name(skeleton);
    uint64_t id = 0;
    Dwarf_Attribute attribute;
    Dwarf_Word base = 0;
    *split = (struct split){.file.fd = -1};
    if (!name || dwarf_cu_info(skeleton->cu, NULL, NULL, NULL, NULL, &id, NULL, NULL) != 0)
        return memory_format("its debug information cannot be read");
    char *why = open_any(split, splits, skeleton, name, id);
    if (why) return why;
    split->ranges.addresses = ranges->addresses;
    ranges_describe(&split->ranges, &split->die);
    split->ranges.base = ranges->base;
    if (split->ranges.version >= 5) {
        split->ranges.lists_base = split->ranges.offset_size == 8 ? 20 : 12; /* behind the header */
        return NULL;
    }
    (void)dwarf_formudata(dwarf_attr(skeleton, DW_AT_GNU_ranges_base, &attribute), &base);
    split->ranges.lists = ranges->lists;
    split->ranges.lists_base = base;
    return NULL;
}

void split_close(struct split *split) {
    if (split->dwarf) (void)dwarf_end(split->dwarf);
    if (split->elf) (void)elf_end(split->elf);
    free(split->image);
    object_close(&split->file);
    *split = (struct split){.file.fd = -1};
}

void splits_close(struct splits *splits) {
    object_close(&splits->package);
    free(splits->bad);
    *splits = (struct splits){.package.fd = -1};
}
