/* See whose.h. A thread-local variable of what was loaded at start lies as far below libc's control block in each
 * thread (ELF's variant II), which tells its module. */
#include "shim/scan/whose.h"
#include "shim/base/lock.h"
#include "shim/base/text.h"
#include "shim/box/modules.h"
#include "shim/box/verdicts.h"
#include "shim/scan/blocks.h"
#include "shim/scan/park.h"
#include "shim/scan/stacks.h"

#include <dlfcn.h>
#include <link.h>
#include <ucontext.h>

#define STORAGE_MAX   128  /* modules with thread-local storage */
#define CONTROL_BLOCK 2304 /* bytes of libc's struct pthread: 2.35 to 2.41 have that, or some more */
#define CONTEXT_BYTES (4 * KIB)

static struct {
    uintptr_t below; /* bytes from where its storage begins to the control block */
    const void *module;
} storage[STORAGE_MAX];
static size_t storage_count;

static const struct mapping *mapping;
static const char *mapping_name = "";

void whose_start(void) {
    uintptr_t block = thread_pointer();
    for (const struct link_map *m = _r_debug.r_map; m && storage_count < STORAGE_MAX; m = m->l_next) {
        void *begins = NULL;
        if (dlinfo((void *)(uintptr_t)m, RTLD_DI_TLS_DATA, &begins) != 0 || !begins) continue;
        storage[storage_count].below = block - (uintptr_t)begins;
        storage[storage_count++].module = m->l_ld;
    }
}

void whose_mapping(const struct mapping *m, const char *name) {
    mapping = m;
    mapping_name = name;
}

/* A copy of the process does not know whose the thread was that it is a copy of. */
static uint32_t id_of(const struct parked *t) {
    return t == stacks_own() && lock_process() == PROCESS_NEW_CHILD ? 0 : t->thread;
}

static bool is_in_mapping(uintptr_t at) {
    return mapping && at >= mapping->start && at < mapping->end;
}

static bool is_register(const struct parked *t, uintptr_t at, struct whose *w) {
    size_t general = offsetof(ucontext_t, uc_mcontext.gregs);
    bool own = t == stacks_own();
    uintptr_t from = own ? t->stack : t->context;
    if (at - from >= (own ? VERDICTS_SAVED : CONTEXT_BYTES)) return false;
    size_t number = (at - from - general) / sizeof(greg_t);
    if (!own && number >= NGREG && !t->elsewhere && at >= t->stack) return false; /* the stack, behind the context */
    *w = (struct whose){ROOT_REGISTERS, id_of(t), own || number >= NGREG ? DUMP_PLACE_UNKNOWN : number, ""};
    return true;
}

/* Its storage begins nearest below. */
static bool is_thread_local(const struct parked *t, uintptr_t at, struct whose *w) {
    uintptr_t below = t->block - at, nearest = UINTPTR_MAX;
    uint32_t module = MODULE_NONE;
    for (size_t i = 0; i < storage_count; i++) {
        if (storage[i].below < below || storage[i].below >= nearest) continue;
        nearest = storage[i].below;
        module = module_of_at_once(storage[i].module);
    }
    if (nearest == UINTPTR_MAX) return false;
    *w = (struct whose){ROOT_THREAD_LOCAL, id_of(t), (uint64_t)module << 48 | (nearest - below), ""};
    if (module == MODULE_NONE) w->place = DUMP_PLACE_UNKNOWN;
    return true;
}

/* libc has the control block at the top of a stack; the kernel's own stack is the first thread's. */
static bool is_of_stack(const struct parked *t, uintptr_t at, struct whose *w) {
    bool kernels = str_equal(mapping_name, "[stack]");
    if (t->elsewhere || at < t->stack || !is_in_mapping(t->stack)) return false;
    if (!kernels && (!is_in_mapping(t->block) || at >= t->block || t->stack >= t->block)) return false;
    *w = (struct whose){ROOT_STACK, id_of(t), 0, ""};
    return true;
}

static bool is_of_thread(const struct parked *t, uintptr_t at, struct whose *w) {
    if (is_register(t, at, w) || is_thread_local(t, at, w)) return true;
    if (at - t->block < CONTROL_BLOCK) {
        *w = (struct whose){ROOT_THREAD, id_of(t), 0, ""};
        return true;
    }
    return is_of_stack(t, at, w);
}

static bool is_of_any_thread(uintptr_t at, struct whose *w) {
    uint32_t count;
    const struct parked *others = park_list(&count);
    if (is_of_thread(stacks_own(), at, w)) return true;
    for (uint32_t i = 0; i < count; i++)
        if (is_of_thread(&others[i], at, w)) return true;
    return false;
}

static bool is_of_module(uintptr_t at, struct whose *w) {
    uint32_t id = module_of_at_once((const void *)at);
    if (id == MODULE_NONE) return false;
    *w = (struct whose){ROOT_MODULE, 0, (uint64_t)id << 48 | (at - module_at(id)->bias), ""};
    return true;
}

struct whose whose_is(struct root word) {
    struct whose w = {(enum dump_root)word.kind, 0, 0, ""};
    uintptr_t emergency = blocks_emergency();
    if (word.kind != ROOT_MEMORY) return w;
    if (emergency && word.address - emergency < 2 * SLICE) return (struct whose){ROOT_EMERGENCY, 0, 0, ""};
    if (is_of_any_thread(word.address, &w) || is_of_module(word.address, &w)) return w;
    return (struct whose){mapping && mapping->shared ? ROOT_SHARED : ROOT_PRIVATE, 0, 0, mapping_name};
}
