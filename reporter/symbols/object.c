/* Finding a module's files; see object.h. Paths come from a dump and links from files it names, so each is opened as
 * hostile: regular files only, and no more decompressed bytes than a cap. */
#include "reporter/symbols/object.h"

#include <elfutils/libdwelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/load/file.h"
#include "reporter/load/memory.h"

#define MAX_DECOMPRESSED (4ull << 30) /* all compressed sections of one file together */

/* What a section grows to: by its compression header, or by the older one of .zdebug_ sections ("ZLIB" and the size,
 * big-endian). */
static uint64_t promised_size(int fd, Elf_Scn *section, const GElf_Shdr *header) {
    GElf_Chdr compressed;
    unsigned char old[12];
    uint64_t size = 0;
    if (header->sh_flags & SHF_COMPRESSED) return gelf_getchdr(section, &compressed) ? compressed.ch_size : UINT64_MAX;
    if (header->sh_type != SHT_PROGBITS || !file_read(fd, old, sizeof old, header->sh_offset)) return 0;
    if (memcmp(old, "ZLIB", 4) != 0) return 0;
    for (int i = 4; i < 12; i++) size = size << 8 | old[i];
    return size;
}

/* A few bytes can promise any size; libelf allocates what they promise. */
static bool is_bomb(int fd, Elf *elf) {
    uint64_t total = 0;
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header)) continue;
        if (__builtin_add_overflow(total, promised_size(fd, section, &header), &total)) return true;
    }
    return total > MAX_DECOMPRESSED;
}

static const char *mismatch(Elf *elf, struct build_id wanted) {
    const void *found = NULL;
    ssize_t length = dwelf_elf_gnu_build_id(elf, &found);
    if (length <= 0) return wanted.length ? "build-id differs" : NULL;
    if (!wanted.length) return "build-id differs";
    if ((size_t)length == wanted.length && memcmp(found, wanted.bytes, wanted.length) == 0) return NULL;
    return "build-id differs";
}

bool object_open(struct object *object, const char *path, struct build_id wanted, const char **why) {
    uint64_t size = 0;
    *object = (struct object){.fd = file_open(path, &size, why)};
    if (object->fd < 0) return false;
    object->path = memory_text(path, strlen(path));
    object->elf = elf_begin(object->fd, ELF_C_READ, NULL);
    if (!object->elf || elf_kind(object->elf) != ELF_K_ELF || gelf_getclass(object->elf) != ELFCLASS64)
        *why = "not a 64-bit ELF file";
    else if (is_bomb(object->fd, object->elf))
        *why = "its compressed sections are too large";
    else
        *why = mismatch(object->elf, wanted);
    if (!*why) return true;
    object_close(object);
    return false;
}

void object_close(struct object *object) {
    if (object->elf) (void)elf_end(object->elf);
    if (object->path) (void)close(object->fd);
    free(object->path);
    *object = (struct object){.fd = -1};
}

static Elf_Scn *section_named(const struct object *object, const char *wanted) {
    size_t names = 0;
    if (!object->elf || elf_getshdrstrndx(object->elf, &names) != 0) return NULL;
    for (Elf_Scn *found = elf_nextscn(object->elf, NULL); found; found = elf_nextscn(object->elf, found)) {
        GElf_Shdr header;
        const char *name = gelf_getshdr(found, &header) ? elf_strptr(object->elf, names, header.sh_name) : NULL;
        if (name && strcmp(name, wanted) == 0 && header.sh_type != SHT_NOBITS) return found;
    }
    return NULL;
}

bool object_has(const struct object *object, const char *section) {
    return section_named(object, section) != NULL;
}

const void *object_section(const struct object *object, const char *name, size_t *size) {
    Elf_Scn *section = section_named(object, name);
    Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
    *size = data && data->d_buf ? data->d_size : 0;
    return *size ? data->d_buf : NULL;
}

static bool has_debug(const struct object *object) {
    return object_has(object, ".debug_info") || object_has(object, ".zdebug_info");
}

/* A file of no debug information is no use as a debug file, even where its build-id is right. */
static bool try_debug(struct object *debug, char *path, struct build_id wanted, const char **why) {
    const char *problem = NULL;
    bool found = object_open(debug, path, wanted, &problem);
    free(path);
    if (found && !has_debug(debug) && !object_has(debug, ".symtab")) {
        object_close(debug);
        found = false;
    }
    if (problem && strcmp(problem, "build-id differs") == 0) *why = "build-id of the debug file differs";
    return found;
}

static bool find_by_id(struct object *debug, struct build_id wanted, const struct symbol_options *options,
                       const char **why) {
    const unsigned char *id = wanted.bytes;
    if (wanted.length < 2) return false;
    char hex[2 * DUMP_BUILD_ID_MAX + 2] = "";
    for (size_t i = 1; i < wanted.length && i < DUMP_BUILD_ID_MAX; i++)
        (void)snprintf(hex + (i - 1) * 2, 3, "%02x", id[i]);
    for (size_t i = 0; i < options->debug_dir_count; i++)
        if (try_debug(debug, memory_format("%s/.build-id/%02x/%s.debug", options->debug_dirs[i], id[0], hex), wanted,
                      why))
            return true;
    return try_debug(debug, memory_format("%s/usr/lib/debug/.build-id/%02x/%s.debug", options->sysroot, id[0], hex),
                     wanted, why);
}

static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? memory_text(path, (size_t)(slash - path)) : memory_text(".", 1);
}

/* The debug link's checksum (the CRC-32 of zlib) is all that ties the two files where there is no build-id. */
static bool has_checksum(const struct object *object, uint32_t wanted) {
    unsigned char piece[65536];
    uint32_t crc = ~0u;
    for (uint64_t at = 0;;) {
        ssize_t got = pread(object->fd, piece, sizeof piece, (off_t)at);
        if (got <= 0) return ~crc == wanted;
        for (ssize_t i = 0; i < got; i++) {
            crc ^= piece[i];
            for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) ? 0xedb88320u : 0);
        }
        at += (uint64_t)got;
    }
}

/* The link is a bare file name; anything that climbs out of the folders searched is not followed. */
static bool find_by_link(struct object *debug, const struct object *code, struct build_id wanted,
                         const struct symbol_options *options, const char **why) {
    GElf_Word crc = 0;
    const char *name = dwelf_elf_gnu_debuglink(code->elf, &crc);
    if (!name || !*name || strchr(name, '/')) return false;
    char *folder = folder_of(code->path);
    const char *inside = folder + strlen(options->sysroot); /* code->path begins with the sysroot */
    bool found = try_debug(debug, memory_format("%s/%s", folder, name), wanted, why) ||
                 try_debug(debug, memory_format("%s/.debug/%s", folder, name), wanted, why) ||
                 try_debug(debug, memory_format("%s/usr/lib/debug%s/%s", options->sysroot, inside, name), wanted, why);
    for (size_t i = 0; i < options->debug_dir_count && !found; i++)
        found = try_debug(debug, memory_format("%s/%s", options->debug_dirs[i], name), wanted, why) ||
                try_debug(debug, memory_format("%s%s/%s", options->debug_dirs[i], inside, name), wanted, why);
    free(folder);
    if (!found || wanted.length || has_checksum(debug, crc)) return found;
    *why = "checksum of the debug file differs";
    object_close(debug);
    return false;
}

/* Without a build-id nothing proves that the file is the one that ran, but a file of other segments is not. */
static bool same_segments(const struct object *code, const struct merged_module *module) {
    const struct dump_module *known = &dump_modules(module->dump)[module->index];
    size_t headers = 0;
    uint32_t seen = 0;
    if (known->build_id_length || !dump_has(module->dump, DUMP_SEGMENTS)) return true;
    if (elf_getphdrnum(code->elf, &headers) != 0) return false;
    for (size_t i = 0; i < headers; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(code->elf, (int)i, &header) || header.p_type != PT_LOAD) continue;
        if (seen == known->segments) return false;
        const struct dump_segment *segment = &dump_segments(module->dump)[known->first_segment + seen++];
        if (segment->address != header.p_vaddr || segment->size != header.p_memsz) return false;
    }
    return seen == known->segments;
}

/* What the shim made of the module in memory, made of the file. */
static uint64_t fingerprint_of(const struct object *code) {
    unsigned char bytes[DUMP_FINGERPRINT_BYTES];
    uint64_t hash = 0;
    size_t headers = 0;
    if (elf_getphdrnum(code->elf, &headers) != 0) return 0;
    for (size_t i = 0; i < headers; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(code->elf, (int)i, &header)) return 0;
        bool begins = header.p_type == PT_LOAD && header.p_offset == 0 && !(header.p_flags & PF_W);
        if (!begins && header.p_type != PT_GNU_EH_FRAME) continue;
        size_t length = header.p_filesz < sizeof bytes ? (size_t)header.p_filesz : sizeof bytes;
        if (!file_read(code->fd, bytes, length, header.p_offset)) return 0;
        hash = dump_fingerprint(hash, bytes, length);
    }
    return hash;
}

static bool is_file_of(const struct object *code, const struct merged_module *module) {
    if (!same_segments(code, module)) return false;
    return !module->fingerprint || fingerprint_of(code) == module->fingerprint;
}

static void open_code(struct module_files *files, const struct merged_module *module, struct build_id wanted,
                      const struct symbol_options *options) {
    char *name = memory_text(module->path.bytes, module->path.length);
    char *path = memory_format("%s%s", options->sysroot, name);
    bool sound = module->path.length && strlen(name) == module->path.length && name[0] == '/';
    if (!sound)
        files->why = module->path.length ? "its path is not absolute" : "it has no file";
    else if (object_open(&files->code, path, wanted, &files->why) && !is_file_of(&files->code, module)) {
        object_close(&files->code);
        files->why = "the file is another one now";
    } else if (files->why && strcmp(files->why, "No such file or directory") == 0)
        files->why = "the file is gone";
    free(path);
    free(name);
}

void module_find(struct module_files *files, const struct merged_module *module, const struct symbol_options *options) {
    struct build_id wanted = {module->build_id, module->build_id_length};
    const char *why = NULL;
    *files = (struct module_files){.code.fd = -1, .debug.fd = -1};
    if (module->jit || module->lost || (module->flags & DUMP_MODULE_VDSO)) {
        files->why = module->jit ? "code of no module" : module->lost ? "its module is lost" : "the kernel's, no file";
        return;
    }
    open_code(files, module, wanted, options);
    if (has_debug(&files->code)) return;
    if (find_by_id(&files->debug, wanted, options, &why) ||
        (files->code.elf && find_by_link(&files->debug, &files->code, wanted, options, &why))) {
        files->why = has_debug(&files->debug) ? NULL : "no debug file";
        return;
    }
    if (why)
        files->why = why;
    else if (!files->why)
        files->why = object_has(&files->code, ".symtab") ? "no debug file" : "stripped, no debug file";
}

void module_close(struct module_files *files) {
    object_close(&files->debug);
    object_close(&files->code);
}

bool object_find_alt(struct object *alt, Dwarf *dwarf, const struct object *debug,
                     const struct symbol_options *options) {
    const char *name = NULL, *why = NULL;
    const void *id = NULL;
    ssize_t length = dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &id);
    *alt = (struct object){.fd = -1};
    if (length == 0) return true;
    if (length < 0 || (size_t)length > DUMP_BUILD_ID_MAX || !name) return false;
    struct build_id wanted = {id, (size_t)length};
    if (find_by_id(alt, wanted, options, &why)) return true;
    char *folder = folder_of(debug->path);
    bool found = name[0] == '/' ? try_debug(alt, memory_format("%s%s", options->sysroot, name), wanted, &why)
                                : try_debug(alt, memory_format("%s/%s", folder, name), wanted, &why);
    const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
    for (size_t i = 0; i < options->debug_dir_count && !found; i++)
        found = try_debug(alt, memory_format("%s/.dwz/%s", options->debug_dirs[i], base), wanted, &why);
    free(folder);
    return found;
}
