/* C++'s operators new and delete by which the standard defines the others (derived.c), in C. When memory is refused,
 * the new-handler of the caller's C++ library runs and its std::bad_alloc is thrown, which C can do by the ABI's
 * functions only. */
#include "shim/entry/new.h"
#include "shim/arena/fast.h"
#include "shim/arena/near.h"
#include "shim/entry/cxx.h"
#include "shim/entry/start.h"

void *new_quietly(size_t n, size_t alignment, const void *frame) {
    start_check();
    return track_allocate(n, alignment, false, CEILING_QUIET, NULL, frame);
}

void *new_aligned_quietly(size_t n, size_t alignment, const void *frame) {
    return new_alignment_is_valid(alignment) ? new_quietly(n, max_size(alignment, 16), frame) : NULL;
}

/* --- refused --- */

struct request {
    const char *symbol;
    size_t n, alignment;
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
        if (valid) p = track_allocate(r->n, max_size(r->alignment, 16), false, CEILING_NEW, r->caller, r->frame);
        if (p || !found.throws) return p;
        cxx_handler handler = valid && found.runtime.get_new_handler ? found.runtime.get_new_handler() : NULL;
        if (!handler) cxx_throw_bad_alloc(&found.runtime);
        handler();
    }
}

static NOINLINE void *new_slow(size_t n) {
    void *p = arena_pop_near(n);
    if (likely(p != NULL)) return p;
    p = new_quietly(n, 16, FRAME);
    if (likely(p != NULL)) return p;
    struct request r = {"_Znwm", n, 16, false, CALLER, FRAME};
    return refused(&r);
}

static NOINLINE void *new_aligned(size_t n, size_t alignment) {
    void *p = new_aligned_quietly(n, alignment, FRAME);
    if (likely(p != NULL)) return p;
    struct request r = {"_ZnwmSt11align_val_t", n, alignment, true, CALLER, FRAME};
    return refused(&r);
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
