/* malloc(3) as glibc has it. The fast path first; what it declines goes to tracking. */
#include "shim/arena/fast.h"
#include "shim/arena/near.h"
#include "shim/entry/start.h"

#include <errno.h>

static NOINLINE void *malloc_slow(size_t n) {
    start_check();
    void *p = arena_pop_near(n);
    return p ? p : track_allocate(n, 16, false, CEILING_MALLOC, CALLER, FRAME);
}

/* A run takes a while to clear. */
static void *take_near_and_clear(size_t n) {
    arena_within();
    void *p = arena_pop_near(n);
    if (p) mem_zero(p, n);
    if (p && held_cancels_behind(0, 1)) {
        entry_free(p);
        p = NULL;
    }
    arena_not_within();
    return p;
}

static NOINLINE void *calloc_slow(size_t n) {
    start_check();
    void *p = take_near_and_clear(n);
    return p ? p : track_allocate(n, 16, true, CEILING_CALLOC, CALLER, FRAME);
}

NOINLINE void entry_free_slow(void *p) {
    start_check();
    static const struct release by = {.entry = "free", .family = FAMILY_MALLOC};
    if (!arena_push_near(p)) track_free(p, &by, FRAME);
}

NOINLINE void entry_free_counted_down(struct slab *s) {
    start_check();
    arena_counted_down(s);
}

/* To another untracked place by the fast paths; NULL: there is none. A cancellation that comes meanwhile finds the old
 * block as it was. */
static void *move(void *p, size_t size, size_t n) {
    arena_within();
    void *new = arena_pop(n);
    if (!new) new = arena_pop_near(n);
    if (new) {
        mem_copy(new, p, min_size(size, n));
        bool cancelled = held_cancels_behind(0, 1);
        entry_free(cancelled ? new : p);
        if (cancelled) new = NULL;
    }
    arena_not_within();
    return new;
}

/* In place while at least half of it stays in use. */
static NOINLINE void *realloc_slow(void *p, size_t n) {
    start_check();
    size_t size = p ? arena_place_size(p) : 0;
    if (size > 0 && n > 0) {
        if (arena_stays(size, n)) return p;
        void *new = move(p, size, n);
        if (new) return new;
    }
    return track_reallocate(p, n, CALLER, FRAME);
}

static NOINLINE void *out_of_range(void) {
    errno = ENOMEM;
    return NULL;
}

/* A unique pointer for 0 bytes; NULL with ENOMEM above PTRDIFF_MAX or when refused. */
EXPORT void *malloc(size_t n) {
    void *p = arena_pop(n);
    return likely(p != NULL) ? p : malloc_slow(n);
}

extern void *entry_malloc(size_t n) __attribute__((alias("malloc"), visibility("hidden")));

EXPORT void free(void *p) {
    entry_free(p);
}

EXPORT void *calloc(size_t count, size_t size) {
    size_t n;
    if (unlikely(__builtin_mul_overflow(count, size, &n))) return out_of_range();
    void *p = arena_pop(n);
    if (unlikely(p == NULL)) return calloc_slow(n);
    mem_zero(p, round_up(n, 16));
    return p;
}

ALWAYS_INLINE void *reallocate(void *p, size_t n) {
    void *new = p ? NULL : arena_pop(n);
    return likely(new != NULL) ? new : realloc_slow(p, n);
}

/* NULL: as malloc. 0 bytes: frees and returns NULL. When refused the old block stays. */
EXPORT void *realloc(void *p, size_t n) {
    return reallocate(p, n);
}

EXPORT void *reallocarray(void *p, size_t count, size_t size) {
    size_t n;
    if (unlikely(__builtin_mul_overflow(count, size, &n))) return out_of_range();
    return reallocate(p, n);
}

static NOINLINE size_t usable_size_slow(void *p) {
    start_check();
    return track_usable_size(p, CALLER);
}

/* May be written to its end; at tracked levels too. */
EXPORT size_t malloc_usable_size(void *p) {
    size_t size = arena_place_size(p);
    return likely(size > 0) ? size : usable_size_slow(p);
}

/* C23: size and alignment are hints that no caller can be trusted with. */
EXPORT void free_sized(void *p, size_t n) {
    (void)n;
    entry_free(p);
}
EXPORT void free_aligned_sized(void *p, size_t alignment, size_t n) {
    (void)alignment;
    (void)n;
    entry_free(p);
}

/* The names under which glibc's own malloc was reachable past an interposer. */
extern void *__libc_malloc(size_t n) ALIAS(malloc);
extern void *__libc_calloc(size_t count, size_t size) ALIAS(calloc);
extern void *__libc_realloc(void *p, size_t n) ALIAS(realloc);
extern void __libc_free(void *p) ALIAS(free);
extern void __libc_cfree(void *p) ALIAS(free);
extern void cfree(void *p) ALIAS(free);
