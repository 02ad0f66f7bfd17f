/* C++'s operators new and delete by which the standard defines the others (derived.c), in C. When memory is refused,
 * the next operator new behind weir is called: libstdc++'s runs the new-handler and throws std::bad_alloc, which C
 * cannot. */
#include "shim/entry/new.h"
#include "shim/arena/fast.h"
#include "shim/arena/near.h"
#include "shim/base/symbols.h"
#include "shim/entry/start.h"

#include <link.h>

struct wanted {
    const char *symbol;
    void *found;
};

static bool is_cxx_library(const char *name) {
    for (const char *p = name; p && *p; p++) {
        if (p != name && p[-1] != '/') continue;
        if (str_after(p, "libstdc++.so") || str_after(p, "libc++.so") || str_after(p, "libc++abi.so")) return true;
    }
    return false;
}

static int look_into(struct dl_phdr_info *info, size_t size, void *context) {
    struct wanted *w = context;
    (void)size;
    if (!is_cxx_library(info->dlpi_name)) return 0;
    for (int i = 0; i < info->dlpi_phnum && !w->found; i++) {
        if (info->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
        const void *dynamic = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
        w->found = symbol_find(info->dlpi_addr, dynamic, w->symbol);
    }
    return w->found != NULL;
}

void *new_of_library(const char *symbol) {
    struct wanted w = {symbol, NULL};
    (void)dl_iterate_phdr(look_into, &w);
    return w.found;
}

void *new_quietly(size_t n, size_t alignment, const void *frame) {
    start_check();
    return track_allocate(n, alignment, false, CEILING_QUIET, NULL, frame);
}

void *new_aligned_quietly(size_t n, size_t alignment, const void *frame) {
    return new_alignment_is_valid(alignment) ? new_quietly(n, max_size(alignment, 16), frame) : NULL;
}

static NOINLINE void *new_slow(size_t n) {
    void *p = arena_pop_near(n);
    if (likely(p != NULL)) return p;
    p = new_quietly(n, 16, FRAME);
    if (likely(p != NULL)) return p;
    void *(*f)(size_t) = (void *(*)(size_t))(uintptr_t)new_of_library("_Znwm");
    return f ? f(n) : track_allocate(n, 16, false, CEILING_NEW, CALLER, FRAME);
}

static NOINLINE void *new_aligned(size_t n, size_t alignment) {
    void *p = new_aligned_quietly(n, alignment, FRAME);
    if (likely(p != NULL)) return p;
    void *(*f)(size_t, size_t) = (void *(*)(size_t, size_t))(uintptr_t)new_of_library("_ZnwmSt11align_val_t");
    if (f) return f(n, alignment);
    return new_alignment_is_valid(alignment)
               ? track_allocate(n, max_size(alignment, 16), false, CEILING_NEW, CALLER, FRAME)
               : NULL;
}

EXPORT void *_Znwm(size_t n) {
    void *p = arena_pop(n);
    return likely(p != NULL) ? p : new_slow(n);
}
EXPORT void *_ZnwmSt11align_val_t(size_t n, size_t alignment) {
    return new_aligned(n, alignment);
}

/* Alignments are not believed: the arena knows its blocks. */
EXPORT void _ZdlPv(void *p) {
    entry_free(p);
}
EXPORT void _ZdlPvSt11align_val_t(void *p, size_t alignment __attribute__((unused))) {
    entry_free(p);
}

extern void *new_own(size_t n) __attribute__((alias("_Znwm"), visibility("hidden")));
extern void *new_own_aligned(size_t n, size_t alignment)
    __attribute__((alias("_ZnwmSt11align_val_t"), visibility("hidden")));
