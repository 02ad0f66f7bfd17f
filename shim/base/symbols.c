/* A module's own dynamic symbols; see symbols.h. Linear: it is asked at start and when memory has run out. */
#include "shim/base/symbols.h"

#include <elf.h>

void *symbol_find(uintptr_t bias, const ElfW(Dyn) * dynamic, const char *name) {
    const ElfW(Sym) *symbols = NULL;
    const char *strings = NULL;
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        uintptr_t at = dynamic->d_un.d_ptr;
        if (at < bias) at += bias; /* ld.so relocates the addresses here, but not in the vDSO */
        if (dynamic->d_tag == DT_SYMTAB) symbols = (const void *)at;
        if (dynamic->d_tag == DT_STRTAB) strings = (const void *)at;
    }
    /* Linkers put the string table behind the symbols; some modules have no other hint of their number. */
    if (!symbols || !strings || (uintptr_t)strings < (uintptr_t)symbols) return NULL;
    size_t count = ((uintptr_t)strings - (uintptr_t)symbols) / sizeof symbols[0];
    for (size_t i = 0; i < count; i++) {
        if (symbols[i].st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbols[i].st_info) != STT_FUNC) continue;
        if (str_equal(strings + symbols[i].st_name, name)) return (void *)(bias + symbols[i].st_value);
    }
    return NULL;
}
