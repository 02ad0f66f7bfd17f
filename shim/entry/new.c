/* C++'s operators new and delete by which the standard defines the others (derived.c), in C. When memory is refused,
 * the new-handler of the caller's C++ library runs and its std::bad_alloc is thrown, which C can do by the ABI's
 * functions only. */
#include "shim/entry/new.h"
#include "shim/arena/fast.h"
#include "shim/arena/near.h"
#include "shim/entry/cxx.h"
#include "shim/entry/start.h"

void *new_quietly(size_t n, size_t alignment, enum family family, const void *frame) {
    /* Before weir is up the array forms are not told from those of one. */
    if (unlikely(atomic_load_explicit(&lock_page.owner, memory_order_acquire) == 0)) family = FAMILY_UNKNOWN;
    start_check();
    return track_new(n, alignment, family, CEILING_QUIET, NULL, frame);
}

void *new_aligned_quietly(size_t n, size_t alignment, enum family family, const void *frame) {
    if (!new_alignment_is_valid(alignment)) return NULL;
    return new_quietly(n, max_size(alignment, 16), family | FAMILY_ALIGNED, frame);
}

/* --- refused --- */

struct request {
    const char *symbol;
    size_t n, alignment;
    enum family family;
    bool aligned; /* by the form that names an alignment */
    const void *caller, *frame;
};

/* Another's operator new may ask this one in turn, and so for ever. What it throws passes by all that stands behind the
 * call, so the mark lies on the stack, and what is left of one counts little: it is overwritten sooner or later. */
#define IN_TURN_MAX 8
struct mark {
    const struct mark *self;
    unsigned depth;
};
static __thread const struct mark *innermost;

static unsigned depth_of_marks(const void *frame) {
    const struct mark *m = innermost;
    return m && (uintptr_t)m > (uintptr_t)frame && m->self == m ? m->depth : 0;
}

static void *ask(void *function, const struct request *r) {
    struct mark mark = {&mark, depth_of_marks(FRAME) + 1};
    void *p = NULL;
    if (mark.depth <= IN_TURN_MAX) {
        __asm__ volatile("" : : "r"(&mark) : "memory"); /* it is there while others run */
        innermost = &mark;
        p = r->aligned ? ((void *(*)(size_t, size_t))(uintptr_t)function)(r->n, r->alignment)
                       : ((void *(*)(size_t))(uintptr_t)function)(r->n);
    }
    innermost = NULL;
    return p;
}

/* What the standard wants: the new-handler as long as there is one, then std::bad_alloc. NULL: nobody can throw. */
static void *refused(const struct request *r) {
    struct cxx_found found = cxx_find(r->caller, r->symbol);
    if (found.function) return ask(found.function, r);
    bool valid = new_alignment_is_valid(r->alignment);
    for (;;) {
        void *p = NULL;
        if (valid) p = track_new(r->n, max_size(r->alignment, 16), r->family, CEILING_NEW, r->caller, r->frame);
        if (p || !found.throws) return p;
        cxx_handler handler = valid && found.runtime.get_new_handler ? found.runtime.get_new_handler() : NULL;
        if (!handler) cxx_throw_bad_alloc(&found.runtime);
        handler();
    }
}

static NOINLINE void *new_slow(size_t n) {
    void *p = arena_pop_near(n);
    if (likely(p != NULL)) return p;
    p = new_quietly(n, 16, FAMILY_NEW, FRAME);
    if (likely(p != NULL)) return p;
    struct request r = {"_Znwm", n, 16, FAMILY_NEW, false, CALLER, FRAME};
    return refused(&r);
}

static NOINLINE void *new_aligned(size_t n, size_t alignment) {
    void *p = new_aligned_quietly(n, alignment, FAMILY_NEW, FRAME);
    if (likely(p != NULL)) return p;
    struct request r = {"_ZnwmSt11align_val_t", n, alignment, FAMILY_NEW | FAMILY_ALIGNED, true, CALLER, FRAME};
    return refused(&r);
}

NOINLINE void *new_array(size_t n) {
    void *p = new_quietly(n, 16, FAMILY_ARRAY, FRAME);
    if (likely(p != NULL)) return p;
    struct request r = {"_Znwm", n, 16, FAMILY_ARRAY, false, CALLER, FRAME};
    return refused(&r);
}

NOINLINE void *new_aligned_array(size_t n, size_t alignment) {
    void *p = new_aligned_quietly(n, alignment, FAMILY_ARRAY, FRAME);
    if (likely(p != NULL)) return p;
    struct request r = {"_ZnwmSt11align_val_t", n, alignment, FAMILY_ARRAY | FAMILY_ALIGNED, true, CALLER, FRAME};
    return refused(&r);
}

EXPORT void *_Znwm(size_t n) {
    void *p = arena_pop(n);
    return likely(p != NULL) ? p : new_slow(n);
}
EXPORT void *_ZnwmSt11align_val_t(size_t n, size_t alignment) {
    return new_aligned(n, alignment);
}

/* --- delete --- */

void new_give(void *p, const struct release *by, const void *frame) {
    start_check();
    if (!arena_push_near(p)) track_free(p, by, frame);
}

static NOINLINE void delete_slow(void *p) {
    static const struct release by = {.entry = "operator delete", .family = FAMILY_NEW};
    new_give(p, &by, FRAME);
}
static NOINLINE void delete_aligned_slow(void *p) {
    static const struct release by = {.entry = "operator delete", .family = FAMILY_NEW | FAMILY_ALIGNED};
    new_give(p, &by, FRAME);
}

/* Alignments are not believed: the arena knows its blocks. */
EXPORT void _ZdlPv(void *p) {
    entry_free_by(p, delete_slow);
}
EXPORT void _ZdlPvSt11align_val_t(void *p, size_t alignment __attribute__((unused))) {
    entry_free_by(p, delete_aligned_slow);
}

extern void *new_own(size_t n) __attribute__((alias("_Znwm"), visibility("hidden")));
extern void *new_own_aligned(size_t n, size_t alignment)
    __attribute__((alias("_ZnwmSt11align_val_t"), visibility("hidden")));
extern void delete_own(void *p) __attribute__((alias("_ZdlPv"), visibility("hidden")));
extern void delete_own_aligned(void *p, size_t alignment)
    __attribute__((alias("_ZdlPvSt11align_val_t"), visibility("hidden")));
