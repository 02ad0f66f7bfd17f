/* See whose.h. */
#include "shim/scan/whose.h"
#include "shim/base/lock.h"
#include "shim/base/text.h"
#include "shim/box/modules.h"
#include "shim/box/storage.h"
#include "shim/box/verdicts.h"
#include "shim/scan/blocks.h"
#include "shim/scan/park.h"
#include "shim/scan/stacks.h"

#include <dlfcn.h>
#include <ucontext.h>

#define CONTROL_BLOCK 2304 /* bytes of libc's struct pthread: 2.35 to 2.41 have that, or some more */
#define CONTEXT_BYTES (4 * KIB)

#define FRAMES_MAX    1024 /* that are looked for in one search: a stack is followed for each */

struct whose_from (*whose_frame)(struct whose_from from, uintptr_t word);
static unsigned frames_asked;

static const struct mapping *mapping;
static const char *mapping_name = "";

void whose_begin(void) {
    frames_asked = 0;
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
    *w = (struct whose){ROOT_REGISTERS, false, id_of(t), own || number >= NGREG ? DUMP_PLACE_UNKNOWN : number, ""};
    return true;
}

/* Its storage begins nearest below. */
static bool is_thread_local(const struct parked *t, uintptr_t at, struct whose *w) {
    uintptr_t below = t->block - at, nearest = UINTPTR_MAX;
    uint32_t module = MODULE_NONE;
    for (size_t i = 0; i < storage_count; i++) {
        if (storage[i].below < below || storage[i].below >= nearest) continue;
        nearest = storage[i].below;
        module = module_of_at_once((const void *)storage[i].module);
    }
    if (nearest == UINTPTR_MAX) return false;
    *w = (struct whose){ROOT_THREAD_LOCAL, false, id_of(t), (uint64_t)module << 48 | (nearest - below), ""};
    if (module == MODULE_NONE) w->place = DUMP_PLACE_UNKNOWN;
    return true;
}

/* Where the stack begins: the registers of who is held; of this thread, those of dump_write's caller. */
static struct whose_from from_of(const struct parked *t) {
    if (t != stacks_own()) {
        const greg_t *general = ((const ucontext_t *)t->context)->uc_mcontext.gregs;
        return (struct whose_from){(uintptr_t)general[REG_RIP], (uintptr_t)general[REG_RSP],
                                   (uintptr_t)general[REG_RBP], true};
    }
    const uintptr_t *frame = (const uintptr_t *)(t->stack + VERDICTS_SAVED);
    return (struct whose_from){frame[1], (uintptr_t)(frame + 2), frame[0], false};
}

static void find_frame(const struct parked *t, uintptr_t at, struct whose *w) {
    w->place = DUMP_PLACE_UNKNOWN;
    if (!whose_frame || frames_asked++ >= FRAMES_MAX) return;
    struct whose_from frame = whose_frame(from_of(t), at);
    uint32_t module = frame.code ? module_of_at_once((const void *)frame.code) : MODULE_NONE;
    if (module == MODULE_NONE) return;
    w->place = (uint64_t)module << 48 | (frame.code - module_at(module)->bias);
    w->exact = frame.exact;
}

/* libc has the control block at the top of a stack; the kernel's own stack is the first thread's. */
static bool is_of_stack(const struct parked *t, uintptr_t at, struct whose *w) {
    bool kernels = str_equal(mapping_name, "[stack]");
    if (t->elsewhere || at < t->stack || !is_in_mapping(t->stack)) return false;
    if (!kernels && (!is_in_mapping(t->block) || at >= t->block || t->stack >= t->block)) return false;
    *w = (struct whose){.kind = ROOT_STACK, .thread = id_of(t), .name = ""};
    find_frame(t, at, w);
    return true;
}

static bool is_of_thread(const struct parked *t, uintptr_t at, struct whose *w) {
    if (is_register(t, at, w) || is_thread_local(t, at, w)) return true;
    if (at - t->block < CONTROL_BLOCK) {
        *w = (struct whose){ROOT_THREAD, false, id_of(t), 0, ""};
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
    *w = (struct whose){ROOT_MODULE, false, 0, (uint64_t)id << 48 | (at - module_at(id)->bias), ""};
    return true;
}

struct whose whose_is(struct root word) {
    struct whose w = {.kind = (enum dump_root)word.kind, .name = ""};
    uintptr_t emergency = blocks_emergency();
    if (word.kind != ROOT_MEMORY) return w;
    if (emergency && word.address - emergency < 2 * SLICE) return (struct whose){ROOT_EMERGENCY, false, 0, 0, ""};
    if (is_of_any_thread(word.address, &w) || is_of_module(word.address, &w)) return w;
    w.kind = mapping && mapping->shared ? ROOT_SHARED : ROOT_PRIVATE;
    w.name = mapping_name;
    return w;
}
