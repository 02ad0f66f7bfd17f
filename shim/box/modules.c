/* The module table; see modules.h. Entries are appended under LOCK_MODULES and published by the count. */
#include "shim/box/modules.h"
#include "shim/base/lock.h"
#include "shim/base/region.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/format.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>

static struct region table, names, segments;
static size_t names_used, segments_used; /* under LOCK_MODULES */
static _Atomic uint32_t count;
_Atomic uint32_t module_generation;
static char program_path[4096] = "?";
static const char own_code; /* its address tells which module is weir itself */

bool modules_start(void) {
    long n = sys4(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)program_path, sizeof program_path - 1);
    if (!sys_failed(n)) program_path[n] = 0;
    return region_reserve(&table, MODULES_MAX * sizeof(struct module), false) &&
           region_reserve(&names, (size_t)MODULES_MAX * 512, false) &&
           region_reserve(&segments, (size_t)MODULES_MAX * 16 * sizeof(struct dump_segment), false) &&
           /* A refusal names its caller, when no table can grow any more. */
           region_commit(&table, PAGE) && region_commit(&names, PAGE) && region_commit(&segments, PAGE);
}

const char *module_program_path(void) {
    return program_path;
}
uint32_t module_count(void) {
    return atomic_load_explicit(&count, memory_order_acquire);
}
const struct module *module_at(uint32_t id) {
    return (const struct module *)(const void *)table.base + id;
}

static const char *copy_name(const char *name) {
    size_t n = str_length(name) + 1;
    if (!region_commit(&names, names_used + n)) return "?";
    char *to = names.base + names_used;
    mem_copy(to, name, n);
    names_used += n;
    return to;
}

const struct dump_segment *module_segments(void) {
    return (const void *)segments.base;
}

static void add_segments(struct module *m, uint32_t id, const ElfW(Phdr) * header, size_t headers) {
    m->first_segment = (uint32_t)segments_used;
    for (size_t i = 0; i < headers; i++) {
        if (header[i].p_type != PT_LOAD) continue;
        if (!region_commit(&segments, (segments_used + 1) * sizeof(struct dump_segment))) return;
        ((struct dump_segment *)(void *)segments.base)[segments_used++] =
            (struct dump_segment){header[i].p_vaddr, header[i].p_memsz, header[i].p_offset, header[i].p_flags, id};
        m->segments++;
    }
}

static void read_build_id(struct module *m, const char *note, size_t size) {
    while (size >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *n = (const void *)note;
        size_t name = round_up(n->n_namesz, 4), whole = sizeof *n + name + round_up(n->n_descsz, 4);
        if (whole > size) return;
        if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && mem_equal(note + sizeof *n, "GNU", 4)) {
            m->build_id_length = (uint32_t)min_size(n->n_descsz, sizeof m->build_id);
            mem_copy(m->build_id, note + sizeof *n + name, m->build_id_length);
            return;
        }
        note += whole, size -= whole;
    }
}

/* The ELF header lies at the start of what is mapped, in every module that a linker made. */
static const ElfW(Phdr) * program_headers(const struct module *m, size_t *n) {
    const ElfW(Ehdr) *image = (const void *)m->start;
    *n = 0;
    if (m->end - m->start < PAGE || !mem_equal(image->e_ident, ELFMAG, SELFMAG)) return NULL;
    if (image->e_phoff + image->e_phnum * sizeof(ElfW(Phdr)) > PAGE) return NULL;
    *n = image->e_phnum;
    return (const void *)((const char *)image + image->e_phoff);
}

static void describe(struct module *m, const struct dl_find_object *found, uint32_t generation) {
    const struct link_map *map = found->dlfo_link_map;
    *m = (struct module){.bias = map->l_addr,
                         .start = (uintptr_t)found->dlfo_map_start,
                         .end = (uintptr_t)found->dlfo_map_end,
                         .unwind_header = found->dlfo_eh_frame,
                         .generation = generation};
    const char *name = map->l_name;
    if (!name || !*name) {
        name = program_path;
        m->flags |= DUMP_MODULE_PROGRAM;
    }
    if (str_after(name, "linux-vdso")) m->flags |= DUMP_MODULE_VDSO;
    if ((uintptr_t)&own_code >= m->start && (uintptr_t)&own_code < m->end) m->flags |= DUMP_MODULE_WEIR;
    size_t headers;
    const ElfW(Phdr) *header = program_headers(m, &headers);
    for (size_t i = 0; i < headers; i++) {
        if (header[i].p_type == PT_NOTE && m->build_id_length == 0) {
            read_build_id(m, (const char *)m->bias + header[i].p_vaddr, header[i].p_memsz);
        }
    }
    m->path = name;
}

static uint32_t find(const struct dl_find_object *found, uint32_t generation) {
    uint32_t n = module_count();
    for (uint32_t i = n; i-- > 0;) {
        const struct module *m = module_at(i);
        if (m->start == (uintptr_t)found->dlfo_map_start && m->end == (uintptr_t)found->dlfo_map_end &&
            m->generation == generation) {
            return i;
        }
    }
    return MODULE_NONE;
}

/* A module of an earlier generation that is the same as m still is the same module. */
static uint32_t find_again(const struct module *m) {
    uint32_t n = module_count();
    for (uint32_t i = 0; i < n; i++) {
        struct module *old = (struct module *)(void *)table.base + i;
        if (old->start != m->start || old->end != m->end || old->build_id_length != m->build_id_length) continue;
        if (!mem_equal(old->build_id, m->build_id, m->build_id_length) || !str_equal(old->path, m->path)) continue;
        old->unwind_header = m->unwind_header;
        old->generation = m->generation;
        return i;
    }
    return MODULE_NONE;
}

static uint32_t add(const struct dl_find_object *found, uint32_t generation) {
    struct module m;
    describe(&m, found, generation);
    uint32_t id = find_again(&m), n = module_count();
    if (id != MODULE_NONE) return id;
    if (n >= MODULES_MAX || !region_commit(&table, (n + 1) * sizeof m)) return MODULE_NONE;
    size_t headers;
    const ElfW(Phdr) *header = program_headers(&m, &headers);
    add_segments(&m, n, header, headers);
    m.path = copy_name(m.path);
    ((struct module *)(void *)table.base)[n] = m;
    atomic_store_explicit(&count, n + 1, memory_order_release);
    return n;
}

uint32_t module_of(const void *code) {
    struct dl_find_object found;
    /* glibc's lookup takes no lock and calls nothing, so it works inside the loader and in any signal handler. */
    if (_dl_find_object((void *)(uintptr_t)code, &found) != 0) return MODULE_NONE;
    uint32_t generation = atomic_load_explicit(&module_generation, memory_order_acquire);
    uint32_t id = find(&found, generation);
    if (id != MODULE_NONE) return id;
    if (lock_held_here(LOCK_MODULES)) return MODULE_NONE; /* a signal handler inside this very function */
    lock_take(LOCK_MODULES);
    id = find(&found, generation);
    if (id == MODULE_NONE) id = add(&found, generation);
    lock_give(LOCK_MODULES);
    return id;
}

void modules_unloaded(void) {
    atomic_fetch_add_explicit(&module_generation, 1, memory_order_acq_rel);
}

void module_describe(struct text *t, const void *code) {
    uint32_t id = module_of(code);
    if (id == MODULE_NONE) {
        text_add_hex(t, (uintptr_t)code);
        return;
    }
    const struct module *m = module_at(id);
    const char *name = m->path;
    for (const char *p = m->path; *p; p++)
        if (*p == '/') name = p + 1;
    text_add_bytes(t, name, str_length(name));
    text_add(t, "+");
    text_add_hex(t, (uintptr_t)code - m->bias);
}

void module_has_malloc(const void *code) {
    uint32_t id = module_of(code);
    if (id != MODULE_NONE) ((struct module *)(void *)table.base)[id].flags |= DUMP_MODULE_MALLOC;
}

bool module_is_loader(const void *code) {
    uint32_t id = code ? module_of(code) : MODULE_NONE;
    if (id == MODULE_NONE) return false;
    const char *name = module_at(id)->path;
    for (const char *p = name; *p; p++)
        if (*p == '/') name = p + 1;
    return str_after(name, "ld-linux") != NULL || str_after(name, "ld-2.") != NULL;
}
