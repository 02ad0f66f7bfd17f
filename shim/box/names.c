/* See names.h. What a file says is held against its size; nothing of it is mapped, since it may be cut short just then.
 */
#include "shim/box/names.h"
#include "shim/base/sys.h"
#include "shim/box/format.h"
#include "shim/box/modules.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>

#define OPEN_MAX_    32u
#define TABLE_MOST   (256 * MIB) /* bytes of symbols, or of their names */
#define HEADERS_MOST 4096u

static struct table {
    uint32_t module; /* plus one; 0: unused */
    Elf64_Sym *symbols;
    char *strings;
    size_t count, length;                  /* symbols; bytes of strings, the last of which is zero */
    size_t symbols_mapped, strings_mapped; /* bytes */
} tables[OPEN_MAX_];
static uint32_t opened;

struct file {
    long fd;
    uint64_t size;
    Elf64_Ehdr header;
};

static bool read_at(const struct file *f, void *to, size_t n, uint64_t from) {
    return from <= f->size && n <= f->size - from && sys4(SYS_pread64, f->fd, (long)to, (long)n, (long)from) == (long)n;
}

/* A copy of a part of the file; NULL: it is none, too large, or there is no memory. */
static void *copy_of(const struct file *f, uint64_t from, uint64_t n, size_t *mapped) {
    if (n == 0 || n > TABLE_MOST || from > f->size || n > f->size - from) return NULL;
    *mapped = round_up(n, PAGE);
    char *p = sys_mmap(NULL, *mapped, PROT_READ | PROT_WRITE, MAP_NORESERVE);
    if (!p) return NULL;
    for (uint64_t done = 0; done < n;) {
        long got = sys4(SYS_pread64, f->fd, (long)(p + done), (long)(n - done), (long)(from + done));
        if (got <= 0) {
            sys_munmap(p, *mapped);
            return NULL;
        }
        done += (uint64_t)got;
    }
    return p;
}

/* --- whether it is the file that was loaded --- */

static bool has_build_id(const struct file *f, const Elf64_Phdr *note, const struct module *m) {
    char bytes[1024];
    size_t n = min_size(note->p_filesz, sizeof bytes), at = 0;
    if (!read_at(f, bytes, n, note->p_offset)) return false;
    while (n - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr h;
        mem_copy(&h, bytes + at, sizeof h);
        size_t name = at + sizeof h, content = name + round_up(h.n_namesz, 4);
        if (h.n_namesz > n || h.n_descsz > n || content > n || h.n_descsz > n - content) return false;
        if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == 4 && mem_equal(bytes + name, "GNU", 4))
            return min_size(h.n_descsz, sizeof m->build_id) == m->build_id_length &&
                   mem_equal(bytes + content, m->build_id, m->build_id_length);
        at = min_size(content + round_up(h.n_descsz, 4), n);
    }
    return false;
}

static uint64_t fingerprint_of(const struct file *f, const Elf64_Phdr *h, uint64_t hash) {
    unsigned char bytes[DUMP_FINGERPRINT_BYTES];
    bool begins = h->p_type == PT_LOAD && h->p_offset == 0 && !(h->p_flags & PF_W);
    size_t n = min_size(h->p_filesz, sizeof bytes);
    if ((!begins && h->p_type != PT_GNU_EH_FRAME) || !read_at(f, bytes, n, h->p_offset)) return hash;
    return dump_fingerprint(hash, bytes, n);
}

static bool is_of(const struct file *f, const struct module *m) {
    uint64_t hash = 0;
    if (f->header.e_phentsize != sizeof(Elf64_Phdr)) return false;
    for (unsigned i = 0; i < f->header.e_phnum; i++) {
        Elf64_Phdr h;
        if (!read_at(f, &h, sizeof h, f->header.e_phoff + i * sizeof h)) return false;
        if (m->build_id_length == 0)
            hash = fingerprint_of(f, &h, hash);
        else if (h.p_type == PT_NOTE && has_build_id(f, &h, m))
            return true;
    }
    return m->build_id_length == 0 && hash == m->fingerprint;
}

/* --- its symbols --- */

static bool find_section(const struct file *f, uint32_t type, Elf64_Shdr *section, Elf64_Shdr *strings) {
    const Elf64_Ehdr *e = &f->header;
    for (unsigned i = 0; i < min_size(e->e_shnum, HEADERS_MOST); i++) {
        if (!read_at(f, section, sizeof *section, e->e_shoff + i * sizeof *section)) return false;
        if (section->sh_type == type && section->sh_entsize == sizeof(Elf64_Sym) && section->sh_link < e->e_shnum)
            return read_at(f, strings, sizeof *strings, e->e_shoff + section->sh_link * sizeof *strings);
    }
    return false;
}

static void read_symbols(struct table *t, const struct file *f) {
    Elf64_Shdr symbols, strings;
    if (!find_section(f, SHT_SYMTAB, &symbols, &strings) && !find_section(f, SHT_DYNSYM, &symbols, &strings)) return;
    t->symbols = copy_of(f, symbols.sh_offset, symbols.sh_size, &t->symbols_mapped);
    t->strings = copy_of(f, strings.sh_offset, strings.sh_size, &t->strings_mapped);
    if (!t->symbols || !t->strings) return;
    t->length = strings.sh_size;
    t->strings[t->length - 1] = 0;
    t->count = symbols.sh_size / sizeof(Elf64_Sym);
}

/* False: it is not there, or not what was loaded. */
static bool open_file(struct file *f, const struct module *m) {
    struct stat s;
    *f = (struct file){.fd = sys4(SYS_openat, AT_FDCWD, (long)m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)};
    if (sys_failed(f->fd)) return false;
    if (sys2(SYS_fstat, f->fd, (long)&s) == 0 && S_ISREG(s.st_mode)) f->size = (uint64_t)s.st_size;
    if (read_at(f, &f->header, sizeof f->header, 0) && mem_equal(f->header.e_ident, ELFMAG, SELFMAG) &&
        f->header.e_ident[EI_CLASS] == ELFCLASS64 && f->header.e_shentsize == sizeof(Elf64_Shdr) && is_of(f, m))
        return true;
    (void)sys1(SYS_close, f->fd);
    return false;
}

static const struct table *table_of(uint32_t module) {
    for (uint32_t i = 0; i < opened; i++)
        if (tables[i].module == module + 1) return &tables[i];
    if (opened == OPEN_MAX_ || module >= module_count()) return NULL;
    struct table *t = &tables[opened++];
    *t = (struct table){.module = module + 1};
    struct file f;
    if (!open_file(&f, module_at(module))) return t;
    read_symbols(t, &f);
    (void)sys1(SYS_close, f.fd);
    return t;
}

void names_end(void) {
    for (uint32_t i = 0; i < opened; i++) {
        if (tables[i].symbols) sys_munmap(tables[i].symbols, tables[i].symbols_mapped);
        if (tables[i].strings) sys_munmap(tables[i].strings, tables[i].strings_mapped);
    }
    opened = 0;
}

static bool is_function(const Elf64_Sym *s) {
    return ELF64_ST_TYPE(s->st_info) == STT_FUNC && s->st_shndx != SHN_UNDEF;
}

const char *names_of_frame(uint64_t frame, bool exact) {
    const struct table *t = table_of(DUMP_FRAME_MODULE(frame));
    uint64_t at = DUMP_FRAME_OFFSET(frame) - !exact;
    for (size_t i = 0; t && i < t->count; i++) {
        const Elf64_Sym *s = &t->symbols[i];
        if (is_function(s) && at - s->st_value < s->st_size && s->st_name < t->length) return t->strings + s->st_name;
    }
    return "";
}

static uint32_t program(void) {
    const struct link_map *first = _r_debug.r_map;
    return first ? module_of(first->l_ld) : MODULE_NONE;
}

/* A piece at a time, each with the end of the one before. */
static bool strings_have(const struct file *f, const Elf64_Shdr *strings, const char *part) {
    static char piece[16 * KIB];
    size_t length = str_length(part);
    for (uint64_t at = 0; at < strings->sh_size && at < TABLE_MOST; at += sizeof piece - length) {
        size_t n = min_size(sizeof piece, strings->sh_size - at);
        if (!read_at(f, piece, n, strings->sh_offset + at)) return false;
        for (size_t i = 0; i + length <= n; i++)
            if (piece[i] == *part && mem_equal(piece + i, part, length)) return true;
    }
    return false;
}

bool names_program_has(const char *part) {
    Elf64_Shdr symbols, strings;
    uint32_t module = program();
    struct file f;
    if (module == MODULE_NONE || !open_file(&f, module_at(module))) return false;
    bool has = find_section(&f, SHT_SYMTAB, &symbols, &strings) && strings_have(&f, &strings, part);
    (void)sys1(SYS_close, f.fd);
    return has;
}

void *names_in_program(const char *name) {
    uint32_t module = program();
    const struct table *t = module == MODULE_NONE ? NULL : table_of(module);
    for (size_t i = 0; t && i < t->count; i++) {
        const Elf64_Sym *s = &t->symbols[i];
        if (is_function(s) && s->st_name < t->length && str_equal(t->strings + s->st_name, name))
            return (void *)(module_at(module)->bias + s->st_value);
    }
    return NULL;
}

/* --- C++ --- */

/* One name, its length in front. */
static const char *add_part(const char *s, char *out, size_t size, size_t *at) {
    size_t n = 0;
    while (*s >= '0' && *s <= '9' && n < size) n = n * 10 + (size_t)(*s++ - '0');
    if (n == 0 || *at + n + 3 > size) return NULL;
    if (*at > 0) out[(*at)++] = ':', out[(*at)++] = ':';
    for (; n > 0; n--) {
        if (!*s) return NULL;
        out[(*at)++] = *s++;
    }
    return s;
}

bool names_plain(const char *linked, char *out, size_t size) {
    size_t at = 0;
    const char *s = str_after(linked, "_Z");
    if (!s) return false;
    bool nested = *s == 'N', more = true;
    if (nested) s++;
    while (nested && (*s == 'r' || *s == 'V' || *s == 'K' || *s == 'R' || *s == 'O')) s++;
    if (s[0] == 'S' && s[1] == 't') {
        mem_copy(out, "std", 3);
        at = 3;
        s += 2;
    }
    while (s && more && *s >= '0' && *s <= '9') {
        s = add_part(s, out, size, &at);
        more = nested;
    }
    if (!s || at == 0 || (nested && *s != 'E')) return false;
    out[at] = 0;
    return true;
}
