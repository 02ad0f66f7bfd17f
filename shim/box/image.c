/* Reading a module's image; see image.h.
 *
 * Where the program headers are the loader knows, and keeps it in a field of the link map that is not public: behind
 * the public ones, a pointer to the headers, the entry point, then their number. Where that field is, modules tell
 * whose headers are where most linkers put them: behind the ELF header at the start of what is mapped. */
#include "shim/box/image.h"
#include "shim/base/start.h"
#include "shim/base/sys.h"
#include "shim/box/format.h"

#include <elf.h>

#define MAP_WORDS_MAX 160 /* of a link map that are looked at */

static size_t headers_field; /* index of the pointer in a link map, as words; 0: not found */
static const char own_code;

/* The headers behind the ELF header, where they lie in its page. */
static bool headers_in_first_page(struct image *i) {
    const ElfW(Ehdr) *file = (const void *)i->start;
    if (i->end - i->start < PAGE || !mem_equal(file->e_ident, ELFMAG, SELFMAG)) return false;
    if (file->e_phentsize != sizeof(ElfW(Phdr)) || file->e_phoff > PAGE) return false;
    if (file->e_phoff + file->e_phnum * sizeof(ElfW(Phdr)) > PAGE) return false;
    i->headers = (const void *)((const char *)file + file->e_phoff);
    i->count = file->e_phnum;
    return true;
}

static const uintptr_t *words_of(const struct link_map *map) {
    return (const uintptr_t *)(const void *)map;
}
static size_t count_at(const struct link_map *map, size_t field) {
    return words_of(map)[field + 2] & 0xffff;
}

/* Whether the field of the module's link map holds what is known of its headers. */
static bool is_field(const void *code, size_t field) {
    struct dl_find_object found;
    struct image i = {0};
    if (_dl_find_object((void *)(uintptr_t)code, &found) != 0) return true; /* says nothing */
    i.start = (uintptr_t)found.dlfo_map_start;
    i.end = (uintptr_t)found.dlfo_map_end;
    if (!headers_in_first_page(&i)) return true;
    return words_of(found.dlfo_link_map)[field] == (uintptr_t)i.headers &&
           count_at(found.dlfo_link_map, field) == i.count;
}

void image_start(void) {
    const void *known[] = {&own_code, (const void *)(uintptr_t)&_dl_find_object, (const void *)(uintptr_t)&dlsym};
    for (size_t field = sizeof(struct link_map) / sizeof(uintptr_t); field < MAP_WORDS_MAX; field++) {
        bool all = true;
        for (size_t k = 0; k < ARRAY_LENGTH(known); k++) all = all && is_field(known[k], field);
        if (!all) continue;
        headers_field = field;
        return;
    }
}

/* The lookup tells one executable segment's range where others do not follow it at once. */
static void find_bounds(struct image *i) {
    uintptr_t start = UINTPTR_MAX, end = 0;
    for (size_t k = 0; k < i->count; k++) {
        const ElfW(Phdr) *h = &i->headers[k];
        if (h->p_type != PT_LOAD) continue;
        start = min_size(start, i->bias + round_down(h->p_vaddr, PAGE));
        end = max_size(end, i->bias + h->p_vaddr + h->p_memsz);
    }
    if (start > i->start || end < i->end) return;
    i->start = start;
    i->end = end;
}

struct image image_of(const struct dl_find_object *found) {
    const struct link_map *map = found->dlfo_link_map;
    struct image i = {
        .bias = map->l_addr, .start = (uintptr_t)found->dlfo_map_start, .end = (uintptr_t)found->dlfo_map_end};
    if (headers_field > 0) {
        i.headers = (const void *)words_of(map)[headers_field];
        i.count = i.headers ? count_at(map, headers_field) : 0;
    } else if (!headers_in_first_page(&i)) {
        uintptr_t program = start_auxiliary(AT_PHDR);
        if (program >= i.start && program < i.end) {
            i.headers = (const void *)program;
            i.count = start_auxiliary(AT_PHNUM);
        }
    }
    find_bounds(&i);
    return i;
}

/* What of a segment's file lies in memory, and inside of the module. */
static size_t bytes_in_memory(const struct image *i, const ElfW(Phdr) * h, size_t most) {
    uintptr_t at = i->bias + h->p_vaddr;
    if (at < i->start || at >= i->end) return 0;
    return min_size(min_size(h->p_filesz, i->end - at), most);
}

static size_t build_id_in(const char *note, size_t size, uint8_t *id, size_t max) {
    while (size >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *n = (const void *)note;
        size_t name = round_up(n->n_namesz, 4), whole = sizeof *n + name + round_up(n->n_descsz, 4);
        if (whole > size) return 0;
        if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && mem_equal(note + sizeof *n, "GNU", 4)) {
            size_t length = min_size(n->n_descsz, max);
            mem_copy(id, note + sizeof *n + name, length);
            return length;
        }
        note += whole, size -= whole;
    }
    return 0;
}

size_t image_build_id(const struct image *i, uint8_t *id, size_t max) {
    for (size_t k = 0; k < i->count; k++) {
        const ElfW(Phdr) *h = &i->headers[k];
        if (h->p_type != PT_NOTE) continue;
        size_t length = build_id_in((const char *)(i->bias + h->p_vaddr), bytes_in_memory(i, h, SIZE_MAX), id, max);
        if (length > 0) return length;
    }
    return 0;
}

uint64_t image_fingerprint(const struct image *i) {
    uint64_t hash = 0;
    for (size_t k = 0; k < i->count; k++) {
        const ElfW(Phdr) *h = &i->headers[k];
        bool begins = h->p_type == PT_LOAD && h->p_offset == 0 && !(h->p_flags & PF_W);
        if (!begins && h->p_type != PT_GNU_EH_FRAME) continue;
        size_t n = bytes_in_memory(i, h, DUMP_FINGERPRINT_BYTES);
        hash = dump_fingerprint(hash, (const void *)(i->bias + h->p_vaddr), n);
    }
    return hash;
}
