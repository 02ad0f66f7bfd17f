/* Modules that frames of a core are in and weir's table has not: from the list of mapped files, and the ELF headers
 * that lie in memory; see making.h. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/core/making.h"
#include "reporter/load/memory.h"

#define HEADERS_MOST 64u
#define NOTE_MOST    (64u << 10)

/* --- an image in memory --- */

struct image {
    uint64_t base, bias;
    Elf64_Phdr headers[HEADERS_MOST];
    size_t count;
};

static bool read_image(struct core *core, uint64_t base, struct image *image) {
    Elf64_Ehdr header;
    if (!core_read_mapped(core, &header, sizeof header, base) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr) ||
        header.e_phnum > HEADERS_MOST ||
        !core_read_mapped(core, image->headers, header.e_phnum * sizeof *image->headers, base + header.e_phoff))
        return false;
    image->base = base;
    image->count = header.e_phnum;
    for (size_t i = 0; i < image->count; i++)
        if (image->headers[i].p_type == PT_LOAD) {
            image->bias = base - (image->headers[i].p_vaddr & ~(uint64_t)(CORE_PAGE - 1));
            return true;
        }
    return false;
}

static uint32_t build_id_in(struct core *core, uint64_t at, uint64_t size, uint8_t *to) {
    for (uint64_t end = at + (size < NOTE_MOST ? size : NOTE_MOST); at < end;) {
        Elf64_Nhdr note;
        char name[4];
        if (!core_read_mapped(core, &note, sizeof note, at) || note.n_namesz > NOTE_MOST || note.n_descsz > NOTE_MOST)
            break;
        uint64_t from = at + sizeof note + ((note.n_namesz + 3u) & ~3u);
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof name && note.n_descsz <= DUMP_BUILD_ID_MAX &&
            core_read_mapped(core, name, sizeof name, at + sizeof note) && memcmp(name, "GNU", sizeof name) == 0 &&
            core_read_mapped(core, to, note.n_descsz, from))
            return note.n_descsz;
        at = from + ((note.n_descsz + 3u) & ~3u);
    }
    return 0;
}

static void add_segment(struct making *m, struct dump_module *module, const Elf64_Phdr *header) {
    m->segments = memory_more(m->segments, &m->segment_capacity, m->segment_count + 1, sizeof *m->segments);
    m->segments[m->segment_count++] = (struct dump_segment){header->p_vaddr, header->p_memsz, header->p_offset,
                                                            header->p_flags, (uint32_t)m->module_count};
    module->segments++;
}

/* What covers the image, though its headers may not say so. */
static size_t add_image(struct making *m, uint64_t base, uint64_t end, const char *path, uint32_t flags) {
    struct image image = {.base = base};
    struct dump_module module = {.bias = base, .start = base, .end = end, .flags = flags};
    module.first_segment = (uint32_t)m->segment_count;
    module.path = making_string(m, path, strlen(path));
    bool there = read_image(m->core, base, &image);
    if (there) module.bias = image.bias;
    for (size_t i = 0; there && i < image.count; i++) {
        const Elf64_Phdr *header = &image.headers[i];
        if (header->p_type == PT_LOAD) add_segment(m, &module, header);
        if (header->p_type == PT_NOTE && !module.build_id_length)
            module.build_id_length =
                build_id_in(m->core, image.bias + header->p_vaddr, header->p_memsz, module.build_id);
    }
    m->modules = memory_more(m->modules, &m->module_capacity, m->module_count + 1, sizeof *m->modules);
    m->modules[m->module_count] = module;
    return m->module_count++;
}

bool making_image(struct core *core, uint64_t base, uint64_t *bias, struct dump_module *to) {
    struct image image;
    if (!read_image(core, base, &image)) return false;
    *bias = image.bias;
    for (size_t i = 0; i < image.count && !to->build_id_length; i++)
        if (image.headers[i].p_type == PT_NOTE)
            to->build_id_length =
                build_id_in(core, image.bias + image.headers[i].p_vaddr, image.headers[i].p_memsz, to->build_id);
    return true;
}

/* --- by address --- */

/* Where the image that begins with a mapping ends; 0: it is none, or its headers are not there. */
static uint64_t end_of_image(struct core *core, uint64_t base) {
    struct image image;
    uint64_t end = 0;
    if (!read_image(core, base, &image)) return 0;
    for (size_t i = 0; i < image.count; i++) {
        const Elf64_Phdr *header = &image.headers[i];
        uint64_t last = image.bias + header->p_vaddr + header->p_memsz;
        if (header->p_type == PT_LOAD && last > end) end = last;
    }
    return end;
}

/* A small file's first page may be mapped for each of its segments, and a file be loaded twice, side by side: where an
 * image ends its headers tell. Without them a mapping of the file's start begins one. */
const struct core_file *making_last_of(struct core *core, const struct core_file *first) {
    const struct core_file *last = first, *past = core->files + core->file_count;
    uint64_t end = end_of_image(core, first->start);
    while (last + 1 < past && strcmp(last[1].path, first->path) == 0 &&
           (end ? last[1].start < end : last[1].offset > 0))
        last++;
    return last;
}

static const struct core_file *first_of(struct core *core, const struct core_file *file) {
    const struct core_file *first = file, *last;
    while (first > core->files && strcmp(first[-1].path, file->path) == 0) first--;
    while ((last = making_last_of(core, first)) < file) first = last + 1;
    return first;
}

size_t making_module_at(const struct making *m, uint64_t address, uint64_t base) {
    for (size_t i = m->module_count; i-- > 0;) {
        const struct dump_module *module = &m->modules[i];
        if (address >= module->start && address < module->end && (!base || module->start == base)) return i;
    }
    return SIZE_MAX;
}

uint64_t making_frame(struct making *m, uint64_t code) {
    const struct core_file *file = core_file_at(m->core, code);
    const struct core_file *first = file ? first_of(m->core, file) : NULL;
    uint64_t base = first ? first->start : 0, vdso = m->core->vdso;
    bool in_vdso = !file && vdso && code >= vdso && code - vdso < 4 * (uint64_t)CORE_PAGE;
    size_t module = in_vdso ? making_module_at(m, code, vdso) : SIZE_MAX;
    if (file || !m->core->file_count) module = making_module_at(m, code, base);
    if (module == SIZE_MAX && m->module_count < DUMP_NO_MODULE) {
        if (file)
            module = add_image(m, base, making_last_of(m->core, first)->end, file->path, 0);
        else if (in_vdso)
            module = add_image(m, vdso, vdso + 4 * (uint64_t)CORE_PAGE, "linux-vdso.so.1", DUMP_MODULE_VDSO);
    }
    if (module == SIZE_MAX) return (uint64_t)DUMP_NO_MODULE << 48 | DUMP_FRAME_OFFSET(code);
    return (uint64_t)module << 48 | DUMP_FRAME_OFFSET(code - m->modules[module].bias);
}
