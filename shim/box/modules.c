/* The module table; see modules.h. Entries are appended under LOCK_MODULES and published by the count, and by their
 * bucket's first. */
#include "shim/box/modules.h"
#include "shim/arena/arena.h"
#include "shim/base/lock.h"
#include "shim/base/mapping.h"
#include "shim/base/region.h"
#include "shim/base/start.h"
#include "shim/base/symbols.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/beacon.h"
#include "shim/box/format.h"
#include "shim/box/image.h"
#include "shim/box/stacks.h"
#include "shim/box/state.h"

#include <fcntl.h>

#define BUCKETS    4096u /* by bias */
#define PATH_BYTES 4096u

static struct region table, names, segments;
static size_t names_used, segments_used;  /* under LOCK_MODULES */
static _Atomic uint32_t buckets[BUCKETS]; /* the newest of each, plus one */
static _Atomic uint32_t count;
static _Atomic uint64_t lost;
_Atomic uint32_t module_generation;
static char program_path[PATH_BYTES] = "?";
static char scratch[PATH_BYTES]; /* under LOCK_MODULES */
static const struct link_map *loader;
static const char own_code; /* its address tells which module is weir itself */

#define IN(field) offsetof(struct module, field)
const struct core_modules core_modules = {.at_table = CORE_ADDRESS(table.base),
                                          .stride = sizeof(struct module),
                                          .at_count = CORE_ADDRESS(count),
                                          .in_bias = IN(bias),
                                          .in_start = IN(start),
                                          .in_end = IN(end),
                                          .in_path = IN(path),
                                          .in_fingerprint = IN(fingerprint),
                                          .in_flags = IN(flags),
                                          .in_build_id_length = IN(build_id_length),
                                          .in_first = IN(first_segment),
                                          .in_segments = IN(segments),
                                          .in_build_id = IN(build_id),
                                          .at_segments = CORE_ADDRESS(segments.base),
                                          .at_segments_used = CORE_ADDRESS(segments_used),
                                          .at_lost = CORE_ADDRESS(lost),
                                          .program_path = CORE_ADDRESS(program_path)};
_Static_assert(sizeof((struct module *)0)->build_id == DUMP_BUILD_ID_MAX,
               "build-ids are as long as the format has them");

/* --- at start --- */

/* Run as `ld.so PROGRAM`, the kernel knows only ld.so. */
static bool is_run_by_loader(void) {
    return start_auxiliary(AT_BASE) == 0;
}

static void find_loader(void) {
    struct dl_find_object found;
    uintptr_t code = start_auxiliary(AT_BASE);
    if (code == 0) code = (uintptr_t)&_dl_find_object;
    if (_dl_find_object((void *)code, &found) == 0) loader = found.dlfo_link_map;
}

static void find_program(void) {
    if (is_run_by_loader() && _r_debug.r_map && mapping_path((uintptr_t)_r_debug.r_map->l_ld, scratch, PATH_BYTES)) {
        mem_copy(program_path, scratch, str_length(scratch) + 1);
        return;
    }
    long n = sys4(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)program_path, sizeof program_path - 1);
    if (!sys_failed(n)) program_path[n] = 0;
}

bool modules_start(void) {
    image_start();
    find_loader();
    find_program();
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
static struct module *entry(uint32_t id) {
    return (struct module *)(void *)table.base + id;
}
const struct module *module_at(uint32_t id) {
    return entry(id);
}
const struct dump_segment *module_segments(void) {
    return (const void *)segments.base;
}
uint64_t modules_lost(void) {
    return atomic_load_explicit(&lost, memory_order_relaxed);
}

/* --- noting a module; under LOCK_MODULES --- */

static const char *copy_name(const char *name) {
    size_t n = str_length(name) + 1;
    if (!region_commit(&names, names_used + n)) return "?";
    char *to = names.base + names_used;
    mem_copy(to, name, n);
    names_used += n;
    return to;
}

static void add_segments(struct module *m, uint32_t id, const struct image *image) {
    m->first_segment = (uint32_t)segments_used;
    for (size_t i = 0; i < image->count; i++) {
        const ElfW(Phdr) *h = &image->headers[i];
        if (h->p_type != PT_LOAD) continue;
        if (!region_commit(&segments, (segments_used + 1) * sizeof(struct dump_segment))) return;
        ((struct dump_segment *)(void *)segments.base)[segments_used++] =
            (struct dump_segment){h->p_vaddr, h->p_memsz, h->p_offset, h->p_flags, id};
        m->segments++;
    }
}

static void describe(struct module *m, const struct dl_find_object *found, const struct image *image) {
    const char *name = found->dlfo_link_map->l_name;
    *m = (struct module){.bias = image->bias, .start = image->start, .end = image->end, .name = name ? name : ""};
    if (!*m->name) m->flags |= DUMP_MODULE_PROGRAM;
    if (str_after(m->name, "linux-vdso")) m->flags |= DUMP_MODULE_VDSO;
    if ((uintptr_t)&own_code >= m->start && (uintptr_t)&own_code < m->end) m->flags |= DUMP_MODULE_WEIR;
    m->build_id_length = (uint32_t)image_build_id(image, m->build_id, sizeof m->build_id);
    if (m->build_id_length == 0) m->fingerprint = image_fingerprint(image);
}

/* The loader knows a library by the name that it was asked for, which may be relative to a folder that the program has
 * left since. The kernel knows the file. */
static const char *path_for(const struct module *m, const char *name) {
    if (m->flags & DUMP_MODULE_PROGRAM) return program_path;
    if (*name == '/' || (m->flags & DUMP_MODULE_VDSO)) return name;
    return mapping_path(m->start, scratch, PATH_BYTES) ? copy_name(scratch) : name;
}

static _Atomic uint32_t *bucket_of(uintptr_t bias) {
    return &buckets[(bias / PAGE * 0x9e3779b97f4a7c15u) >> 52];
}

static bool is_same(const struct module *a, const struct module *b) {
    return a->bias == b->bias && a->start == b->start && a->end == b->end && a->build_id_length == b->build_id_length &&
           mem_equal(a->build_id, b->build_id, b->build_id_length) && a->fingerprint == b->fingerprint &&
           str_equal(a->name, b->name);
}

static uint32_t add(struct module *m, const struct image *image) {
    uint32_t n = module_count();
    _Atomic uint32_t *bucket = bucket_of(m->bias);
    if (n >= MODULES_MAX || !region_commit(&table, (n + 1) * sizeof *m)) {
        atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
        return MODULE_NONE;
    }
    add_segments(m, n, image);
    m->name = copy_name(m->name);
    m->path = path_for(m, m->name);
    m->older = atomic_load_explicit(bucket, memory_order_relaxed);
    *entry(n) = *m;
    atomic_store_explicit(&count, n + 1, memory_order_release);
    atomic_store_explicit(bucket, n + 1, memory_order_release);
    return n;
}

/* ld.so frees a link map when it unloads its module, with whatever malloc everybody has: then weir sees it go. Where
 * nobody tracks it, all frees of its slab take the slow path from here on, and are looked at. */
static void watch(const struct link_map *map) {
    struct place place = arena_find(map);
    if (!place.exact || !place.exists) return;
    if (place.tracked)
        place.side->is_link_map = true;
    else if (place.kind == PLACE_SLOT)
        arena_be_careful(&place);
}

void modules_note_free(const void *p) {
    const struct link_map *map = p;
    for (uint32_t id = atomic_load_explicit(bucket_of(map->l_addr), memory_order_acquire); id > 0;
         id = entry(id - 1)->older) {
        if (entry(id - 1)->map == map) {
            modules_unloaded();
            return;
        }
    }
}

static uint32_t look(const struct dl_find_object *found, uint32_t generation) {
    struct image image = image_of(found);
    struct module m;
    describe(&m, found, &image);
    uint32_t id = atomic_load_explicit(bucket_of(m.bias), memory_order_relaxed);
    while (id > 0 && !is_same(entry(id - 1), &m)) id = entry(id - 1)->older;
    if (id == 0) id = add(&m, &image) + 1;
    if (id - 1 == MODULE_NONE) return MODULE_NONE;
    watch(found->dlfo_link_map);
    entry(id - 1)->map = found->dlfo_link_map;
    atomic_store_explicit(&entry(id - 1)->generation, generation, memory_order_release);
    return id - 1;
}

/* --- finding --- */

/* One that was looked at since the last library was unloaded. */
static uint32_t find(const struct dl_find_object *found, uint32_t generation) {
    const struct link_map *map = found->dlfo_link_map;
    for (uint32_t id = atomic_load_explicit(bucket_of(map->l_addr), memory_order_acquire); id > 0;
         id = entry(id - 1)->older) {
        struct module *m = entry(id - 1);
        if (atomic_load_explicit(&m->generation, memory_order_acquire) == generation && m->map == map) return id - 1;
    }
    return MODULE_NONE;
}

static uint32_t module_with(const void *object, bool at_once) {
    struct dl_find_object found;
    /* glibc's lookup takes no lock and calls nothing, so it works inside the loader and in any signal handler. */
    if (_dl_find_object((void *)(uintptr_t)object, &found) != 0) return MODULE_NONE;
    uint32_t generation = atomic_load_explicit(&module_generation, memory_order_acquire);
    /* Where blocks have no entries, nobody sees a link map go. */
    uint32_t id = state_tracking() || state_checked() ? find(&found, generation) : MODULE_NONE;
    if (id != MODULE_NONE) return id;
    if (lock_held_here(LOCK_MODULES)) return MODULE_NONE; /* a signal handler inside this very function */
    arena_within();
    if (!at_once) lock_take(LOCK_MODULES);
    if (!at_once || lock_try(LOCK_MODULES)) {
        id = look(&found, generation);
        lock_give(LOCK_MODULES);
    }
    arena_not_within();
    return id;
}

uint32_t module_of(const void *code) {
    return module_with(code, false);
}
uint32_t module_of_at_once(const void *object) {
    return module_with(object, true);
}

void modules_unloaded(void) {
    atomic_fetch_add_explicit(&module_generation, 1, memory_order_acq_rel);
}

uint64_t module_frame(const void *code) {
    uint32_t id = module_of(code);
    if (id == MODULE_NONE) return (uint64_t)DUMP_NO_MODULE << 48 | ((uintptr_t)code & 0xffffffffffff);
    return (uint64_t)id << 48 | (((uintptr_t)code - module_at(id)->bias) & 0xffffffffffff);
}

void module_describe_frame(struct text *t, uint64_t frame) {
    uint32_t id = DUMP_FRAME_MODULE(frame);
    if (id < module_count()) {
        const char *name = path_base(module_at(id)->path);
        text_add_bytes(t, name, str_length(name));
        text_add(t, "+");
    }
    text_add_hex(t, DUMP_FRAME_OFFSET(frame));
}

#define FRAMES_SHOWN 8

void module_describe_stack(struct text *t, const char *title, uint32_t id) {
    if (!stack_is_one(id)) return;
    text_add(t, "\nweir:   ");
    text_add(t, title);
    for (uint32_t i = 0; i < FRAMES_SHOWN && stack_is_one(id); i++, id = stack_at(id)->outer) {
        text_add(t, i == 0 ? " " : " < ");
        module_describe_frame(t, stack_at(id)->frame);
    }
}

void module_describe(struct text *t, const void *code) {
    module_describe_frame(t, module_frame(code));
}

void module_has_malloc(const void *code) {
    uint32_t id = module_of(code);
    if (id != MODULE_NONE) entry(id)->flags |= DUMP_MODULE_MALLOC;
}

const void *module_code(uint64_t frame) {
    uint32_t id = DUMP_FRAME_MODULE(frame);
    if (id >= module_count()) return NULL;
    const void *code = (const void *)(module_at(id)->bias + DUMP_FRAME_OFFSET(frame));
    return module_of(code) == id ? code : NULL;
}

bool module_has_operators(const void *code) {
    static const char *const operators[] = {"_Znwm", "_ZdlPv", "_ZdlPvm"};
    static const char *const throwers[] = {"_Unwind_RaiseException", "dl_iterate_phdr", "_dl_find_object"};
    struct dl_find_object found;
    struct symbols s;
    if (_dl_find_object((void *)(uintptr_t)code, &found) != 0) return false;
    const struct image image = image_of(&found);
    if (!symbols_of(&s, image.bias, image.start, image.end, found.dlfo_link_map->l_ld)) return false;
    bool asks = false, throws = false;
    for (size_t i = 0; i < ARRAY_LENGTH(operators); i++) {
        if (symbol_find(&s, operators[i])) return true;
        asks = asks || symbol_is_needed(&s, operators[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(throwers); i++) throws = throws || symbol_is_needed(&s, throwers[i]);
    return throws && !asks;
}

bool module_is_loader(const void *code) {
    struct dl_find_object found;
    return code && loader && _dl_find_object((void *)(uintptr_t)code, &found) == 0 && found.dlfo_link_map == loader;
}
