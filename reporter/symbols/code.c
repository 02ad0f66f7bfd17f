/* See code.h. A file of debug information alone still has the headers of the sections that are not in it. */
#include "reporter/symbols/code.h"

#include <stdlib.h>

#include "reporter/load/memory.h"
#include "reporter/load/search.h"

static void add(struct code *code, uint64_t low, uint64_t size) {
    uint64_t high = 0;
    if (__builtin_add_overflow(low, size, &high) || low >= high) return;
    code->ranges = memory_more(code->ranges, &code->capacity, code->count + 1, sizeof *code->ranges);
    code->ranges[code->count++] = (struct code_range){low, high};
}

static int compare(const void *left, const void *right) {
    const struct code_range *a = left, *b = right;
    return a->low < b->low ? -1 : a->low > b->low;
}

/* Neighbours and overlapping ones become one, so that a search by `low` finds all there is to know. */
static void join(struct code *code) {
    size_t last = 0;
    if (!code->count) return;
    qsort(code->ranges, code->count, sizeof *code->ranges, compare);
    for (size_t i = 1; i < code->count; i++) {
        if (code->ranges[i].low > code->ranges[last].high)
            code->ranges[++last] = code->ranges[i];
        else if (code->ranges[i].high > code->ranges[last].high)
            code->ranges[last].high = code->ranges[i].high;
    }
    code->count = last + 1;
}

static void read_segments(struct code *code, Elf *elf) {
    size_t headers = 0;
    if (elf_getphdrnum(elf, &headers) != 0) return;
    for (size_t i = 0; i < headers; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(elf, (int)i, &header) || header.p_type != PT_LOAD || !(header.p_flags & PF_X)) continue;
        add(code, header.p_vaddr, header.p_memsz);
    }
}

void code_read(struct code *code, Elf *elf) {
    *code = (struct code){0};
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header) || !(header.sh_flags & SHF_EXECINSTR)) continue;
        if (header.sh_flags & SHF_ALLOC) add(code, header.sh_addr, header.sh_size);
    }
    if (!code->count) read_segments(code, elf);
    join(code);
}

void code_free(struct code *code) {
    free(code->ranges);
    *code = (struct code){0};
}

bool code_begins(const struct code *code, uint64_t address) {
    size_t upto = search_upto(code->ranges, code->count, sizeof *code->ranges, address);
    return !code->count || (upto > 0 && address < code->ranges[upto - 1].high);
}
