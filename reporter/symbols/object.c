/* See object.h. Paths come from a dump and links from files it names, so each is opened as hostile: regular files only,
 * and no more decompressed bytes than a cap. */
#include "reporter/symbols/object.h"

#include <elfutils/libdwelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/load/file.h"
#include "reporter/load/memory.h"
#include "reporter/symbols/unpack.h"

#ifndef ELFCOMPRESS_ZSTD
#    define ELFCOMPRESS_ZSTD 2
#endif

#define MAX_DECOMPRESSED (4ull << 30) /* all compressed sections of one file together */
#define MAX_INNER        (256u << 20)

/* Without suffix: what names and lines are made of. The rest, of which .debug_loclists is the largest, stays as it is.
 */
static const char *const needed[] = {"info",        "abbrev", "line",   "str",      "line_str",
                                     "str_offsets", "addr",   "ranges", "rnglists", "types"};

/* What a section grows to: by its compression header, or by the older one of .zdebug_ sections ("ZLIB" and the size,
 * big-endian). */
static uint64_t promised_size(int fd, Elf_Scn *section, const GElf_Shdr *header) {
    GElf_Chdr compressed;
    unsigned char old[12];
    uint64_t size = 0;
    if (header->sh_flags & SHF_COMPRESSED) return gelf_getchdr(section, &compressed) ? compressed.ch_size : UINT64_MAX;
    if (header->sh_type != SHT_PROGBITS || fd < 0 || !file_read(fd, old, sizeof old, header->sh_offset)) return 0;
    if (memcmp(old, "ZLIB", 4) != 0) return 0;
    for (int i = 4; i < 12; i++) size = size << 8 | old[i];
    return size;
}

/* A few bytes can promise any size, and many sections may be the same bytes; libelf allocates for each. */
static bool is_bomb(int fd, Elf *elf, uint64_t file_size) {
    uint64_t total = 0, stored = 0;
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header)) continue;
        uint64_t size = promised_size(fd, section, &header);
        if (!unpack_credible(header.sh_size, size) || __builtin_add_overflow(total, size, &total)) return true;
        uint64_t own = header.sh_type == SHT_NOBITS || header.sh_size > file_size ? 0 : header.sh_size;
        if (__builtin_add_overflow(stored, own, &stored)) return true;
    }
    return total > MAX_DECOMPRESSED || stored / 2 > file_size;
}

static const char *mismatch(Elf *elf, struct build_id wanted) {
    const void *found = NULL;
    ssize_t length = dwelf_elf_gnu_build_id(elf, &found);
    if (length <= 0) return wanted.length ? "build-id differs" : NULL;
    if (!wanted.length) return "build-id differs";
    if ((size_t)length == wanted.length && memcmp(found, wanted.bytes, wanted.length) == 0) return NULL;
    return "build-id differs";
}

static const char *unusable(const struct object *object, uint64_t size) {
    if (!object->elf || elf_kind(object->elf) != ELF_K_ELF || gelf_getclass(object->elf) != ELFCLASS64)
        return "not a 64-bit ELF file";
    return is_bomb(object->fd, object->elf, size) ? "its sections are too large" : NULL;
}

bool object_open(struct object *object, const char *path, struct build_id wanted, const char **why) {
    uint64_t size = 0;
    *object = (struct object){.fd = file_open(path, &size, why)};
    if (object->fd < 0) return false;
    object->path = memory_text(path, strlen(path));
    object->elf = elf_begin(object->fd, ELF_C_READ, NULL);
    *why = unusable(object, size);
    if (!*why) *why = mismatch(object->elf, wanted);
    if (!*why) return true;
    object_close(object);
    return false;
}

static void keep(struct object *object, unsigned char *bytes) {
    object->unpacked =
        memory_more(object->unpacked, &object->unpacked_capacity, object->unpacked_count + 1, sizeof *object->unpacked);
    object->unpacked[object->unpacked_count++] = bytes;
}

bool object_open_inner(struct object *inner, const struct object *object, const char *section, const char **why) {
    struct bytes packed = object_section(object, section);
    struct unpacked image;
    *inner = (struct object){.fd = -1};
    if (!unpack_xz(&image, packed.at, packed.size, MAX_INNER, why)) return false;
    keep(inner, image.bytes);
    inner->elf = elf_memory((char *)image.bytes, image.size);
    *why = unusable(inner, image.size);
    if (!*why) return true;
    *why = "is damaged";
    object_close(inner);
    return false;
}

void object_close(struct object *object) {
    if (object->elf) (void)elf_end(object->elf);
    if (object->path) (void)close(object->fd);
    free(object->path);
    for (size_t i = 0; i < object->unpacked_count; i++) free(object->unpacked[i]);
    free(object->unpacked);
    *object = (struct object){.fd = -1};
}

static const char *name_of(const struct object *object, const GElf_Shdr *header) {
    size_t names = 0;
    return elf_getshdrstrndx(object->elf, &names) == 0 ? elf_strptr(object->elf, names, header->sh_name) : NULL;
}

/* The next section of this name after `found`, NULL: there is none. */
static Elf_Scn *next_named(const struct object *object, Elf_Scn *found, const char *wanted, GElf_Shdr *header) {
    while (object->elf && (found = elf_nextscn(object->elf, found)) != NULL) {
        const char *name = gelf_getshdr(found, header) ? name_of(object, header) : NULL;
        if (name && strcmp(name, wanted) == 0 && header->sh_type != SHT_NOBITS) return found;
    }
    return NULL;
}

bool object_has(const struct object *object, const char *section) {
    GElf_Shdr header;
    return next_named(object, NULL, section, &header) != NULL;
}

static struct bytes bytes_of(Elf_Scn *section) {
    GElf_Shdr header;
    if (!section || !gelf_getshdr(section, &header)) return (struct bytes){0};
    if ((header.sh_flags & SHF_COMPRESSED) && elf_compress(section, 0, 0) < 0) return (struct bytes){0};
    Elf_Data *data = elf_getdata(section, NULL);
    return data && data->d_buf && data->d_size ? (struct bytes){data->d_buf, data->d_size} : (struct bytes){0};
}

struct bytes object_section(const struct object *object, const char *name) {
    GElf_Shdr header;
    return bytes_of(next_named(object, NULL, name, &header));
}

static bool is_packed(struct bytes bytes) {
    return bytes.size >= 12 && memcmp(bytes.at, "ZLIB", 4) == 0;
}

struct bytes object_joined(struct object *object, const char *name) {
    struct bytes first = object_section(object, name);
    size_t size = 0, count = 0;
    GElf_Shdr header;
    for (Elf_Scn *at = NULL; (at = next_named(object, at, name, &header)) != NULL;) {
        struct bytes bytes = bytes_of(at);
        size += bytes.size;
        count += bytes.size > 0;
    }
    if (count < 2) return first;
    unsigned char *all = memory_get(size, 1), *end = all;
    for (Elf_Scn *at = NULL; (at = next_named(object, at, name, &header)) != NULL;) {
        struct bytes bytes = bytes_of(at);
        if (bytes.size) memcpy(end, bytes.at, bytes.size);
        end += bytes.size;
    }
    keep(object, all);
    return (struct bytes){all, size};
}

struct bytes object_debug(const struct object *object, const char *name) {
    char full[64];
    (void)snprintf(full, sizeof full, ".debug_%s", name);
    struct bytes found = object_section(object, full);
    if (found.at) return found;
    (void)snprintf(full, sizeof full, ".zdebug_%s", name);
    found = object_section(object, full);
    if (!is_packed(found)) return found;
    GElf_Shdr header;
    Elf_Scn *section = next_named(object, NULL, full, &header);
    return elf_compress_gnu(section, 0, 0) < 0 ? (struct bytes){0} : bytes_of(section);
}

bool bytes_end(struct bytes texts) {
    return !texts.size || ((const char *)texts.at)[texts.size - 1] == 0;
}

bool object_texts_end(const struct object *object) {
    return bytes_end(object_debug(object, "str")) && bytes_end(object_debug(object, "line_str"));
}

/* .debug_line, .zdebug_line or .debug_line.dwo of a name that is needed. */
static bool is_needed(const char *name) {
    if (*name++ != '.') return false;
    name += *name == 'z';
    if (strncmp(name, "debug_", 6) != 0) return false;
    size_t length = strlen(name += 6);
    if (length > 4 && strcmp(name + length - 4, ".dwo") == 0) length -= 4;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (strlen(needed[i]) == length && strncmp(name, needed[i], length) == 0) return true;
    return false;
}

static bool unpack_section(struct object *object, Elf_Scn *section, GElf_Shdr *header, const char **why) {
    GElf_Chdr compressed;
    struct unpacked bytes;
    *why = "is damaged";
    if (!gelf_getchdr(section, &compressed)) return false;
    if (compressed.ch_type != ELFCOMPRESS_ZSTD) return true; /* libelf's to read, or to fail at */
    Elf_Data *data = elf_getdata(section, NULL);             /* Elf's own, which it goes on to hand out */
    if (!data || !data->d_buf || data->d_size < sizeof(Elf64_Chdr)) return false;
    const char *packed = (const char *)data->d_buf + sizeof(Elf64_Chdr);
    if (!unpack_zstd(&bytes, packed, data->d_size - sizeof(Elf64_Chdr), compressed.ch_size, why)) return false;
    keep(object, bytes.bytes);
    data->d_buf = bytes.bytes;
    data->d_size = bytes.size;
    data->d_type = ELF_T_BYTE;
    header->sh_flags &= ~(GElf_Xword)SHF_COMPRESSED;
    header->sh_size = bytes.size;
    return gelf_update_shdr(section, header) != 0;
}

/* The next section, after this one, of debug information that is needed; NULL: there is none. */
static Elf_Scn *next_needed(const struct object *object, Elf_Scn *section, GElf_Shdr *header, const char **name) {
    while ((section = elf_nextscn(object->elf, section)) != NULL) {
        *name = gelf_getshdr(section, header) ? name_of(object, header) : NULL;
        if (*name && header->sh_type != SHT_NOBITS && is_needed(*name)) return section;
    }
    return NULL;
}

bool object_unpack(struct object *object, const char **why) {
    GElf_Shdr header;
    const char *name = NULL, *problem = NULL;
    for (Elf_Scn *at = NULL; (at = next_needed(object, at, &header, &name)) != NULL;) {
        if (!(header.sh_flags & SHF_COMPRESSED) || unpack_section(object, at, &header, &problem)) continue;
        bool large = strcmp(problem, "is too large") == 0;
        *why = large ? "its compressed sections are too large" : "its compressed sections are damaged";
        return false;
    }
    return true;
}

const char *object_unread(const struct object *object) {
    GElf_Shdr header;
    GElf_Chdr compressed;
    const char *name = NULL;
    for (Elf_Scn *at = NULL; (at = next_needed(object, at, &header, &name)) != NULL;) {
        if ((header.sh_flags & SHF_COMPRESSED) && elf_compress(at, 0, 0) > 0) continue;
        bool old = name[1] == 'z' && is_packed(object_section(object, name));
        if (!old && !(header.sh_flags & SHF_COMPRESSED)) continue;
        bool known = old || !gelf_getchdr(at, &compressed) || compressed.ch_type == ELFCOMPRESS_ZLIB;
        return known ? "its compressed sections are damaged" : "its sections are compressed in an unknown way";
    }
    return NULL;
}
