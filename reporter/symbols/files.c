/* See files.h. Every name is one that a dump or a file in it gave: what is opened is a regular file (object_open), and
 * is used only where an id ties it to what ran. */
#include "reporter/symbols/files.h"

#include <elfutils/libdwelf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/load/file.h"
#include "reporter/load/memory.h"

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

/* A symbol table that was kept when all else was stripped. */
static const char *find_mini(struct module_files *files) {
    const char *why = NULL;
    bool wanted = files->code.elf && !object_has(&files->code, ".symtab") && !object_has(&files->debug, ".symtab");
    if (!wanted || !object_has(&files->code, ".gnu_debugdata")) return NULL;
    return object_open_inner(&files->mini, &files->code, ".gnu_debugdata", &why) ? NULL : why;
}

/* What there is when no debug file was found. */
static const char *what_is_left(const struct module_files *files, const char *mini) {
    if (mini && strcmp(mini, "is too large") == 0) return "stripped, its .gnu_debugdata is too large";
    if (mini) return "stripped, its .gnu_debugdata is damaged";
    return files->mini.elf || object_has(&files->code, ".symtab") ? "no debug file" : "stripped, no debug file";
}

void files_find(struct module_files *files, const struct merged_module *module, const struct symbol_options *options) {
    struct build_id wanted = {module->build_id, module->build_id_length};
    const char *why = NULL;
    *files = (struct module_files){.code.fd = -1, .debug.fd = -1, .mini.fd = -1};
    if (module->lost || (module->flags & DUMP_MODULE_VDSO)) {
        files->why = module->lost ? "its module is lost" : "the kernel's, no file";
        return;
    }
    open_code(files, module, wanted, options);
    bool found = has_debug(&files->code) || find_by_id(&files->debug, wanted, options, &why) ||
                 (files->code.elf && find_by_link(&files->debug, &files->code, wanted, options, &why));
    const char *mini = find_mini(files);
    if (found)
        files->why = has_debug(files_debug(files)) ? NULL : "no debug file";
    else if (why)
        files->why = why;
    else if (!files->why)
        files->why = what_is_left(files, mini);
}

void files_close(struct module_files *files) {
    object_close(&files->debug);
    object_close(&files->code);
    object_close(&files->mini);
}

struct object *files_debug(struct module_files *files) {
    return files->debug.elf ? &files->debug : &files->code;
}

/* --- dwz --- */

/* A relative name counts from where the file really lies: under .build-id there may be links. */
static bool try_alt_beside(struct object *alt, const char *path, const char *name, struct build_id wanted,
                           const char **why) {
    char *folder = folder_of(path);
    bool found = try_debug(alt, memory_format("%s/%s", folder, name), wanted, why);
    free(folder);
    char *real = found ? NULL : realpath(path, NULL);
    if (!real) return found;
    folder = folder_of(real);
    found = try_debug(alt, memory_format("%s/%s", folder, name), wanted, why);
    free(folder);
    free(real);
    return found;
}

char *files_find_alt(struct object *alt, Dwarf *dwarf, const struct object *debug,
                     const struct symbol_options *options) {
    const char *name = NULL, *why = NULL;
    const void *id = NULL;
    *alt = (struct object){.fd = -1};
    /* libdw 0.188 takes references to the other file for such to this one. */
    if (object_has(debug, ".debug_sup")) return memory_format("shared debug information (.debug_sup) is not read");
    ssize_t length = dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &id);
    if (length == 0) return NULL;
    if (length < 0 || (size_t)length > DUMP_BUILD_ID_MAX || !name) return memory_format("its dwz link is damaged");
    struct build_id wanted = {id, (size_t)length};
    bool found = find_by_id(alt, wanted, options, &why);
    if (!found && name[0] == '/')
        found = try_debug(alt, memory_format("%s%s", options->sysroot, name), wanted, &why);
    else if (!found)
        found = try_alt_beside(alt, debug->path, name, wanted, &why);
    const char *base = file_base(name),
               *inside = strstr(name, "/.dwz/"); /* behind it Debian has the machine's folder */
    for (size_t i = 0; i < options->debug_dir_count && !found; i++) {
        const char *folder = options->debug_dirs[i];
        found = inside && try_debug(alt, memory_format("%s%s", folder, inside), wanted, &why);
        if (!found) found = try_debug(alt, memory_format("%s/.dwz/%s", folder, base), wanted, &why);
    }
    if (found) return NULL;
    return memory_format(why ? "dwz file %.255s is another one now" : "no dwz file %.255s", base);
}

/* --- split debug files --- */

struct paths {
    char **list;
    size_t count, capacity;
};

/* A path that is there already is not added again. */
static void add_path(struct paths *paths, char *path) {
    paths->list = memory_more(paths->list, &paths->capacity, paths->count + 2, sizeof *paths->list);
    for (size_t i = 0; i < paths->count; i++)
        if (strcmp(paths->list[i], path) == 0) {
            free(path);
            return;
        }
    paths->list[paths->count++] = path;
    paths->list[paths->count] = NULL;
}

static void add_beside(struct paths *paths, const struct object *object, const char *name) {
    if (!object->path) return;
    char *folder = folder_of(object->path);
    if (name[0] != '/') add_path(paths, memory_format("%s/%s", folder, name));
    add_path(paths, memory_format("%s/%s", folder, file_base(name)));
    free(folder);
}

char **files_split_paths(const struct module_files *files, const struct symbol_options *options, const char *folder,
                         const char *name) {
    struct paths paths = {0};
    bool absolute = name[0] == '/';
    char *place = absolute                     ? memory_text(name, strlen(name))
                  : folder && folder[0] == '/' ? memory_format("%s/%s", folder, name)
                                               : NULL;
    if (place) add_path(&paths, memory_format("%s%s", options->sysroot, place));
    add_beside(&paths, &files->code, name);
    add_beside(&paths, &files->debug, name);
    for (size_t i = 0; i < options->debug_dir_count; i++) {
        if (place) add_path(&paths, memory_format("%s%s", options->debug_dirs[i], place));
        if (!absolute) add_path(&paths, memory_format("%s/%s", options->debug_dirs[i], name));
        add_path(&paths, memory_format("%s/%s", options->debug_dirs[i], file_base(name)));
    }
    free(place);
    return paths.list;
}

char **files_package_paths(const struct module_files *files, const struct symbol_options *options) {
    struct paths paths = {0};
    const char *code = files->code.path, *debug = files->debug.path;
    if (code) add_path(&paths, memory_format("%s.dwp", code));
    if (debug) add_path(&paths, memory_format("%s.dwp", debug));
    size_t length = debug ? strlen(debug) : 0;
    if (length > 6 && strcmp(debug + length - 6, ".debug") == 0)
        add_path(&paths, memory_format("%.*s.dwp", (int)(length - 6), debug));
    if (!code) return paths.list;
    const char *inside = code + strlen(options->sysroot);
    add_path(&paths, memory_format("%s/usr/lib/debug%s.dwp", options->sysroot, inside));
    for (size_t i = 0; i < options->debug_dir_count; i++) {
        add_path(&paths, memory_format("%s%s.dwp", options->debug_dirs[i], inside));
        add_path(&paths, memory_format("%s/%s.dwp", options->debug_dirs[i], file_base(code)));
    }
    return paths.list;
}

void files_free_paths(char **paths) {
    for (size_t i = 0; paths && paths[i]; i++) free(paths[i]);
    free(paths);
}
