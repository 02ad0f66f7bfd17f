/* A module's own dynamic symbols; see symbols.h. Looked up by the module's hash tables, which alone tell how many
 * symbols there are: nothing says where the table ends, nor what lies behind it. */
#include "shim/base/symbols.h"

#include <elf.h>

/* ld.so relocates the addresses in a dynamic section that it can write, and leaves the others (the vDSO's, a read-only
 * one) as they are in the file: which it is shows by where they lead. */
static const void *address(uintptr_t bias, uintptr_t start, uintptr_t end, uintptr_t at) {
    return (const void *)(at >= start && at < end ? at : at + bias);
}

bool symbols_of(struct symbols *s, uintptr_t bias, uintptr_t start, uintptr_t end, const ElfW(Dyn) * dynamic) {
    *s = (struct symbols){.bias = bias, .dynamic = dynamic};
    if (!dynamic) return false;
    for (const ElfW(Dyn) *d = dynamic; d->d_tag != DT_NULL; d++) {
        const void *at = address(bias, start, end, d->d_un.d_ptr);
        if (d->d_tag == DT_SYMTAB) s->table = at;
        if (d->d_tag == DT_STRTAB) s->strings = at;
        if (d->d_tag == DT_GNU_HASH) s->gnu = at;
        if (d->d_tag == DT_HASH) s->sysv = at;
    }
    return s->table && s->strings && (s->gnu || s->sysv);
}

bool symbols_of_phdr(struct symbols *s, const struct dl_phdr_info *info) {
    uintptr_t start = UINTPTR_MAX, end = 0;
    const void *dynamic = NULL;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_DYNAMIC) dynamic = (const void *)at;
        if (p->p_type != PT_LOAD) continue;
        if (at < start) start = at;
        if (at + p->p_memsz > end) end = at + p->p_memsz;
    }
    return symbols_of(s, info->dlpi_addr, start, end, dynamic);
}

static void *defined_as(const struct symbols *s, uint32_t i, const char *name) {
    const ElfW(Sym) *symbol = &s->table[i];
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    if (symbol->st_shndx == SHN_UNDEF || (type != STT_FUNC && type != STT_OBJECT)) return NULL;
    return str_equal(s->strings + symbol->st_name, name) ? (void *)(s->bias + symbol->st_value) : NULL;
}

/* DT_GNU_HASH: its four numbers, 64-bit words of a filter, buckets, and behind them a hash a symbol from `first` on,
 * whose lowest bit ends a bucket. */
static void *find_gnu(const struct symbols *s, const char *name) {
    const uint32_t buckets = s->gnu[0], first = s->gnu[1], *bucket = s->gnu + 4 + 2 * (size_t)s->gnu[2];
    uint32_t hash = 5381;
    for (const char *p = name; *p; p++) hash = hash * 33 + (unsigned char)*p;
    if (buckets == 0) return NULL;
    uint32_t i = bucket[hash % buckets];
    if (i < first) return NULL;
    for (const uint32_t *chain = bucket + buckets - first;; i++) {
        void *found = (chain[i] | 1) == (hash | 1) ? defined_as(s, i, name) : NULL;
        if (found || (chain[i] & 1)) return found;
    }
}

/* DT_HASH: the numbers of buckets and of symbols, buckets, and for each symbol the next one of its bucket. */
static void *find_sysv(const struct symbols *s, const char *name) {
    const uint32_t buckets = s->sysv[0], count = s->sysv[1], *bucket = s->sysv + 2, *next = bucket + buckets;
    uint32_t hash = 0;
    for (const char *p = name; *p; p++) {
        hash = (hash << 4) + (unsigned char)*p;
        hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
    }
    if (buckets == 0) return NULL;
    for (uint32_t i = bucket[hash % buckets], steps = 0; i != STN_UNDEF && i < count && steps < count;
         i = next[i], steps++) {
        void *found = defined_as(s, i, name);
        if (found) return found;
    }
    return NULL;
}

void *symbol_find(const struct symbols *s, const char *name) {
    return s->gnu ? find_gnu(s, name) : find_sysv(s, name);
}

/* DT_GNU_HASH holds what others may find; what they are asked for stands before. */
bool symbol_is_needed(const struct symbols *s, const char *name) {
    uint32_t count = s->gnu ? s->gnu[1] : s->sysv[1];
    for (uint32_t i = 1; i < count; i++)
        if (s->table[i].st_shndx == SHN_UNDEF && str_equal(s->strings + s->table[i].st_name, name)) return true;
    return false;
}

const char *symbols_soname(const struct symbols *s) {
    for (const ElfW(Dyn) *d = s->dynamic; d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_SONAME) return s->strings + d->d_un.d_val;
    return NULL;
}

bool symbols_needs(const struct symbols *s, const char *soname) {
    for (const ElfW(Dyn) *d = s->dynamic; d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_NEEDED && str_equal(s->strings + d->d_un.d_val, soname)) return true;
    return false;
}
