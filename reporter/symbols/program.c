/* Looking at a program's file; see program.h. Whatever cannot be read is taken for harmless: then the program just
 * runs, and what is missing is said afterwards. */
#include "reporter/symbols/program.h"

#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "reporter/load/file.h"
#include "reporter/load/memory.h"

static bool is_program(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

static char *find(const char *name) {
    const char *path = getenv("PATH");
    if (strchr(name, '/')) return memory_text(name, strlen(name));
    for (path = path ? path : "/bin:/usr/bin"; path; path = strchr(path, ':') ? strchr(path, ':') + 1 : NULL) {
        int length = (int)strcspn(path, ":");
        char *candidate = memory_format("%.*s%s%s", length, path, length ? "/" : "./", name);
        if (is_program(candidate)) return candidate;
        free(candidate);
    }
    return NULL;
}

/* The interpreter of a script, found through env where that is what the script names. */
static char *interpreter(const char *path) {
    char line[512] = "", *rest = NULL;
    uint64_t size = 0;
    const char *why = NULL;
    int fd = file_open(path, &size, &why);
    if (fd < 0) return NULL;
    ssize_t got = pread(fd, line, sizeof line - 1, 0);
    (void)close(fd);
    if (got < 3 || line[0] != '#' || line[1] != '!') return NULL;
    line[strcspn(line, "\n")] = 0;
    char *word = strtok_r(line + 2, " \t", &rest);
    if (!word) return NULL;
    if (strcmp(file_base(word), "env") != 0) return memory_text(word, strlen(word));
    char *next = strtok_r(NULL, " \t", &rest);
    while (next && (next[0] == '-' || strchr(next, '='))) next = strtok_r(NULL, " \t", &rest);
    return next ? find(next) : memory_text(word, strlen(word));
}

/* By the function with which each runtime begins. */
static const struct {
    const char *symbol, *name;
} sanitizers[] = {{"__asan_init", "AddressSanitizer"},  {"__tsan_init", "ThreadSanitizer"},
                  {"__msan_init", "MemorySanitizer"},   {"__hwasan_init", "HWAddressSanitizer"},
                  {"__lsan_init", "LeakSanitizer"},     {"__dfsan_init", "DataFlowSanitizer"},
                  {"__memprof_init", "clang's memprof"}};

static const char *sanitizer_of(const char *symbol) {
    for (size_t i = 0; i < sizeof sanitizers / sizeof *sanitizers; i++)
        if (strcmp(symbol, sanitizers[i].symbol) == 0) return sanitizers[i].name;
    return NULL;
}

static const char *find_sanitizer(Elf *elf, Elf_Scn *section, const GElf_Shdr *header) {
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = data ? data->d_size / sizeof(Elf64_Sym) : 0;
    for (size_t i = 0; i < count && i < INT32_MAX; i++) {
        GElf_Sym symbol;
        const char *name = gelf_getsym(data, (int)i, &symbol) ? elf_strptr(elf, header->sh_link, symbol.st_name) : NULL;
        const char *found = name ? sanitizer_of(name) : NULL;
        if (found) return found;
    }
    return NULL;
}

/* The runtime is linked in (the program defines the symbol) or needed (it asks for it): either way the symbol is among
 * the dynamic ones. */
static void look_at_sections(struct program *program, Elf *elf) {
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) && header.sh_type == SHT_DYNSYM && !program->sanitizer)
            program->sanitizer = find_sanitizer(elf, section, &header);
    }
}

static void look_at_headers(struct program *program, Elf *elf) {
    GElf_Ehdr own, header;
    size_t count = 0;
    uint64_t size = 0;
    const char *why = NULL;
    if (!gelf_getehdr(elf, &header)) return;
    program->is_elf = true;
    int fd = file_open("/proc/self/exe", &size, &why);
    Elf *self = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ, NULL);
    program->other_class = gelf_getclass(elf) != ELFCLASS64;
    program->other_machine = self && gelf_getehdr(self, &own) && own.e_machine != header.e_machine;
    if (self) (void)elf_end(self);
    if (fd >= 0) (void)close(fd);
    if (elf_getphdrnum(elf, &count) != 0) return;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr segment;
        if (gelf_getphdr(elf, (int)i, &segment) && segment.p_type == PT_INTERP) program->has_loader = true;
    }
}

static void look_at_file(struct program *program, const char *path) {
    struct stat status;
    char capabilities[64];
    if (stat(path, &status) == 0) {
        bool other_user = (status.st_mode & S_ISUID) && status.st_uid != getuid();
        bool other_group = (status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && status.st_gid != getgid();
        program->privileged = other_user || other_group;
    }
    if (getuid() != 0 && getxattr(path, "security.capability", capabilities, sizeof capabilities) > 0)
        program->privileged = true;
}

void program_inspect(struct program *program, const char *name) {
    uint64_t size = 0;
    const char *why = NULL;
    *program = (struct program){.path = find(name)};
    if (!program->path) return;
    program->interpreted = interpreter(program->path);
    const char *path = program->interpreted ? program->interpreted : program->path;
    look_at_file(program, path);
    (void)elf_version(EV_CURRENT);
    int fd = file_open(path, &size, &why);
    Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ, NULL);
    if (elf && elf_kind(elf) == ELF_K_ELF) {
        look_at_headers(program, elf);
        look_at_sections(program, elf);
    }
    if (elf) (void)elf_end(elf);
    if (fd >= 0) (void)close(fd);
}

void program_free(struct program *program) {
    free(program->path);
    free(program->interpreted);
    *program = (struct program){0};
}
