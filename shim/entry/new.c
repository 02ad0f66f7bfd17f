/* C++'s operators new and delete, in C. When memory is refused, the next operator new behind weir is called:
 * libstdc++'s runs the new-handler and throws std::bad_alloc, which C cannot. */
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

/* The C++ library's own operator, wherever it is loaded. dlsym would not see a local one, and allocates when it fails.
 */
static void *next(const char *symbol) {
    struct wanted w = {symbol, NULL};
    (void)dl_iterate_phdr(look_into, &w);
    return w.found;
}

typedef void *(*new_function)(size_t);
typedef void *(*new_aligned_function)(size_t, size_t);
typedef void *(*new_nothrow_function)(size_t, const void *);
typedef void *(*new_aligned_nothrow_function)(size_t, size_t, const void *);

/* Quiet: the C++ library asks malloc again, whose refusal is the one that is reported. */
static void *try_quietly(size_t n, size_t alignment, const void *frame) {
    start_check();
    return track_allocate(n, alignment, false, CEILING_QUIET, NULL, frame);
}

static NOINLINE void *new_slow(size_t n) {
    void *p = arena_pop_near(n);
    if (likely(p != NULL)) return p;
    p = try_quietly(n, 16, FRAME);
    if (likely(p != NULL)) return p;
    new_function f = (new_function)(uintptr_t)next("_Znwm");
    return f ? f(n) : track_allocate(n, 16, false, CEILING_NEW, CALLER, FRAME);
}

static NOINLINE void *new_aligned(size_t n, size_t alignment) {
    void *p = try_quietly(n, alignment, FRAME);
    if (likely(p != NULL)) return p;
    new_aligned_function f = (new_aligned_function)(uintptr_t)next("_ZnwmSt11align_val_t");
    return f ? f(n, alignment) : track_allocate(n, alignment, false, CEILING_NEW, CALLER, FRAME);
}

static NOINLINE void *new_nothrow_slow(size_t n, const void *nothrow) {
    void *p = try_quietly(n, 16, FRAME);
    if (likely(p != NULL)) return p;
    new_nothrow_function f = (new_nothrow_function)(uintptr_t)next("_ZnwmRKSt9nothrow_t");
    return f ? f(n, nothrow) : track_allocate(n, 16, false, CEILING_NEW, CALLER, FRAME);
}

static NOINLINE void *new_aligned_nothrow(size_t n, size_t alignment, const void *nothrow) {
    void *p = try_quietly(n, alignment, FRAME);
    if (likely(p != NULL)) return p;
    new_aligned_nothrow_function f =
        (new_aligned_nothrow_function)(uintptr_t)next("_ZnwmSt11align_val_tRKSt9nothrow_t");
    return f ? f(n, alignment, nothrow) : track_allocate(n, alignment, false, CEILING_NEW, CALLER, FRAME);
}

static size_t at_least_16(size_t alignment) {
    return alignment < 16 ? 16 : alignment;
}

EXPORT void *_Znwm(size_t n) {
    void *p = arena_pop(n);
    return likely(p != NULL) ? p : new_slow(n);
}
EXPORT void *_ZnwmRKSt9nothrow_t(size_t n, const void *nothrow) {
    void *p = arena_pop(n);
    return likely(p != NULL) ? p : new_nothrow_slow(n, nothrow);
}
EXPORT void *_ZnwmSt11align_val_t(size_t n, size_t alignment) {
    return new_aligned(n, at_least_16(alignment));
}
EXPORT void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t n, size_t alignment, const void *nothrow) {
    return new_aligned_nothrow(n, at_least_16(alignment), nothrow);
}

#define ALIAS(of) __attribute__((alias(#of), visibility("default")))
extern void *_Znam(size_t n) ALIAS(_Znwm);
extern void *_ZnamRKSt9nothrow_t(size_t n, const void *nothrow) ALIAS(_ZnwmRKSt9nothrow_t);
extern void *_ZnamSt11align_val_t(size_t n, size_t alignment) ALIAS(_ZnwmSt11align_val_t);
extern void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t n, size_t alignment, const void *nothrow)
    ALIAS(_ZnwmSt11align_val_tRKSt9nothrow_t);

/* Sizes and alignments are not believed: the arena knows its blocks. */
#define DELETE(name, ...)                                                                                              \
    EXPORT void name(void *p, ##__VA_ARGS__) {                                                                         \
        entry_free(p);                                                                                                 \
    }
DELETE(_ZdlPv)
DELETE(_ZdaPv)
DELETE(_ZdlPvm, size_t n __attribute__((unused)))
DELETE(_ZdaPvm, size_t n __attribute__((unused)))
DELETE(_ZdlPvRKSt9nothrow_t, const void *nothrow __attribute__((unused)))
DELETE(_ZdaPvRKSt9nothrow_t, const void *nothrow __attribute__((unused)))
DELETE(_ZdlPvSt11align_val_t, size_t alignment __attribute__((unused)))
DELETE(_ZdaPvSt11align_val_t, size_t alignment __attribute__((unused)))
DELETE(_ZdlPvmSt11align_val_t, size_t n __attribute__((unused)), size_t alignment __attribute__((unused)))
DELETE(_ZdaPvmSt11align_val_t, size_t n __attribute__((unused)), size_t alignment __attribute__((unused)))
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, size_t alignment __attribute__((unused)),
       const void *nothrow __attribute__((unused)))
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, size_t alignment __attribute__((unused)),
       const void *nothrow __attribute__((unused)))
