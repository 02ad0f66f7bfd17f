/* Segments, and memory by address; see image.h. */
#include "reporter/load/core/image.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/load/core/notes.h"
#include "reporter/load/file.h"
#include "reporter/load/memory.h"
#include "reporter/load/search.h"

#define SEGMENTS_MOST (1u << 22) /* the kernel's own limit is below, vm.max_map_count */
#define READS_MOST    4u         /* times the file's size */
#define READS_LEAST   (64u << 20)

/* --- the file --- */

static bool read_whole(struct core *core, void *to, size_t n, uint64_t offset) {
    if (n > core->left) core->spent = true;
    if (core->spent) return false;
    core->left -= n;
    return file_read(core->fd, to, n, offset);
}

/* One page through those that are remembered; the file's last one may be short. */
static const char *page_at(struct core *core, uint64_t number) {
    size_t slot = (size_t)(number % CORE_PAGES);
    uint64_t at = number * CORE_PAGE, there = core->size - at < CORE_PAGE ? core->size - at : CORE_PAGE;
    if (core->page_of[slot] == number + 1) return core->pages[slot];
    core->page_of[slot] = 0;
    if (!read_whole(core, core->pages[slot], (size_t)there, at)) return NULL;
    core->page_of[slot] = number + 1;
    return core->pages[slot];
}

bool core_read_file(struct core *core, void *to, size_t n, uint64_t offset) {
    char *at = to;
    if (offset > core->size || n > core->size - offset) return false;
    if (n > CORE_PAGE) return read_whole(core, to, n, offset);
    while (n > 0) {
        size_t in = (size_t)(offset % CORE_PAGE), part = n < CORE_PAGE - in ? n : CORE_PAGE - in;
        const char *page = page_at(core, offset / CORE_PAGE);
        if (!page) return false;
        memcpy(at, page + in, part);
        at += part;
        offset += part;
        n -= part;
    }
    return true;
}

/* --- memory --- */

/* How many segments begin at the address or before. */
static size_t segments_upto(const struct core *core, uint64_t address) {
    return search_upto(core->segments, core->segment_count, sizeof *core->segments, address);
}

const struct core_segment *core_segment_before(const struct core *core, uint64_t address) {
    size_t count = segments_upto(core, address);
    return count ? &core->segments[count - 1] : NULL;
}

uint64_t core_length(const struct core *core, uint64_t address) {
    const struct core_segment *segment = core_segment_before(core, address);
    if (!segment || address - segment->address >= segment->length) return 0;
    return segment->length - (address - segment->address);
}

uint64_t core_next(const struct core *core, uint64_t address) {
    if (core_length(core, address)) return address;
    for (size_t i = segments_upto(core, address); i < core->segment_count; i++)
        if (core->segments[i].length) return core->segments[i].address;
    return UINT64_MAX;
}

uint32_t core_flags(const struct core *core, uint64_t address) {
    const struct core_segment *segment = core_segment_before(core, address);
    if (segment && address - segment->address < segment->size) return segment->flags;
    return core_file_at(core, address) ? PF_R | PF_X : 0; /* gdb leaves out what nobody can write to */
}

bool core_read(struct core *core, void *to, size_t n, uint64_t address) {
    char *at = to;
    while (n > 0) {
        uint64_t there = core_length(core, address);
        const struct core_segment *segment = core_segment_before(core, address);
        size_t part = there < n ? (size_t)there : n;
        if (part == 0 || !core_read_file(core, at, part, segment->offset + (address - segment->address))) return false;
        at += part;
        address += part;
        n -= part;
    }
    return true;
}

static int open_mapped(struct core *core, const struct core_file *file) {
    uint64_t size;
    const char *why;
    if (core->opened && strcmp(core->opened->path, file->path) == 0) return core->opened_fd;
    if (core->opened && core->opened_fd >= 0) (void)close(core->opened_fd);
    core->opened = file;
    return core->opened_fd = file_open(file->path, &size, &why);
}

bool core_read_mapped(struct core *core, void *to, size_t n, uint64_t address) {
    if (core_length(core, address)) return core_read(core, to, n, address);
    const struct core_file *file = core_file_at(core, address);
    if (!file || n > file->end - address || n > core->left) return false;
    int fd = open_mapped(core, file);
    core->left -= n;
    return fd >= 0 && file_read(fd, to, n, file->offset + (address - file->start));
}

uint64_t core_word(struct core *core, uint64_t address) {
    uint64_t word = 0;
    return core_read(core, &word, sizeof word, address) ? word : 0;
}

uint32_t core_half(struct core *core, uint64_t address) {
    uint32_t half = 0;
    return core_read(core, &half, sizeof half, address) ? half : 0;
}

uint8_t core_byte(struct core *core, uint64_t address) {
    uint8_t byte = 0;
    return core_read(core, &byte, sizeof byte, address) ? byte : 0;
}

void *core_table(struct core *core, uint64_t at_base, uint64_t *length) {
    uint64_t base = core_word(core, at_base), there = core_length(core, base);
    if (*length > there) *length = there;
    void *bytes = memory_get((size_t)*length + 1, 1);
    if (!core_read(core, bytes, (size_t)*length, base)) *length = 0;
    return bytes;
}

size_t core_text(struct core *core, uint64_t address, char *to, size_t most) {
    size_t length = 0;
    while (length + 1 < most && (to[length] = (char)core_byte(core, address + length)) != 0) length++;
    to[length] = 0;
    return length;
}

bool core_is_shared(const struct core_file *file) {
    static const char *const begins[] = {"/dev/zero", "/dev/shm/", "/SYSV", "/memfd:"};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (strncmp(file->path, begins[i], strlen(begins[i])) == 0) return true;
    return false;
}

const struct core_file *core_file_at(const struct core *core, uint64_t address) {
    size_t low = search_upto(core->files, core->file_count, sizeof *core->files, address);
    return low && address < core->files[low - 1].end ? &core->files[low - 1] : NULL;
}

/* --- opening --- */

static int compare_segments(const void *left, const void *right) {
    const struct core_segment *a = left, *b = right;
    if (a->address != b->address) return a->address < b->address ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* More segments than the header can count are counted by the first section. */
static uint64_t count_headers(struct core *core, const Elf64_Ehdr *header) {
    Elf64_Shdr first;
    if (header->e_phnum != PN_XNUM) return header->e_phnum;
    return core_read_file(core, &first, sizeof first, header->e_shoff) ? first.sh_info : 0;
}

static void add_segment(struct core *core, const Elf64_Phdr *header) {
    uint64_t there = header->p_offset < core->size ? core->size - header->p_offset : 0;
    uint64_t length = header->p_filesz < there ? header->p_filesz : there;
    core->cut = core->cut || length < header->p_filesz;
    if (length > UINT64_MAX - header->p_vaddr) return;
    core->segments[core->segment_count++] =
        (struct core_segment){header->p_vaddr, header->p_memsz, header->p_offset, length, header->p_flags};
}

static int compare_offsets(const void *left, const void *right) {
    const struct core_segment *a = left, *b = right;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* No byte of a file is memory twice: what claims to be is nowhere, else a small core could have any number of blocks.
 */
static void drop_overlaps(struct core *core) {
    uint64_t end = 0;
    if (!core->segment_count) return;
    qsort(core->segments, core->segment_count, sizeof *core->segments, compare_offsets);
    for (size_t i = 0; i < core->segment_count; i++) {
        struct core_segment *segment = &core->segments[i];
        if (!segment->length) continue;
        if (segment->offset < end) {
            core->overlaps = true;
            segment->length = 0;
            continue;
        }
        end = segment->offset + segment->length;
    }
    qsort(core->segments, core->segment_count, sizeof *core->segments, compare_segments);
}

static const char *read_headers(struct core *core) {
    Elf64_Ehdr header;
    if (!core_read_file(core, &header, sizeof header, 0)) return "the file ends inside the header of a core";
    if (header.e_machine != EM_X86_64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
        return "a core of another kind of machine";
    uint64_t count = count_headers(core, &header);
    if (header.e_phentsize != sizeof(Elf64_Phdr) || count > SEGMENTS_MOST || header.e_phoff > core->size ||
        count > (core->size - header.e_phoff) / sizeof(Elf64_Phdr))
        return "a core that ends inside its program headers";
    core->segments = memory_get((size_t)count, sizeof *core->segments);
    for (uint64_t i = 0; i < count; i++) {
        Elf64_Phdr program;
        if (!core_read_file(core, &program, sizeof program, header.e_phoff + i * sizeof program)) break;
        if (program.p_type == PT_LOAD) add_segment(core, &program);
        if (program.p_type == PT_NOTE) core_read_notes(core, program.p_offset, program.p_filesz);
    }
    drop_overlaps(core);
    return core->segment_count ? NULL : "a core without memory";
}

const char *core_open(struct core *core, int fd, uint64_t size) {
    *core = (struct core){.fd = fd, .size = size};
    core->left = size > UINT64_MAX / READS_MOST ? UINT64_MAX : size * READS_MOST;
    if (core->left < READS_LEAST) core->left = READS_LEAST;
    return read_headers(core);
}

void core_close(struct core *core) {
    if (core->opened && core->opened_fd >= 0) (void)close(core->opened_fd);
    free(core->segments);
    free(core->files);
    free(core->paths);
    free(core->threads);
    free(core->registers);
}
