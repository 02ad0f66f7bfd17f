/* C++'s operators that the standard defines by others. A program that replaces those, two are enough, gets its own
 * through these too, so each goes through the loader's symbol of the one that it is defined by, as the C++ library's
 * own do. A file of its own: the compiler is not to see through. */
#include "shim/arena/fast.h"
#include "shim/entry/cxx.h"
#include "shim/entry/new.h"
#include "shim/entry/start.h"
#include "shim/track/family.h"

#include <link.h>
#include <stdatomic.h>

EXPORT void *_Znam(size_t n);
EXPORT void *_ZnamSt11align_val_t(size_t n, size_t alignment);
EXPORT void _ZdaPv(void *p);
EXPORT void _ZdaPvSt11align_val_t(void *p, size_t alignment);
EXPORT void _ZdlPvm(void *p, size_t n);
EXPORT void _ZdaPvm(void *p, size_t n);

#define UNUSED __attribute__((unused))

/* What the forms jump to: at first what each is defined by. Where blocks are tracked and that is weir's, it is a
 * function that knows which operator was called; the jump costs the same. */
#define AS(type, function) ((type)(void (*)(void))(function))
typedef void *(*new_form)(size_t);
typedef void *(*aligned_new_form)(size_t, size_t);
typedef void (*delete_form)(void *);
typedef void (*two_delete_form)(void *, size_t); /* sized, or aligned */
typedef void (*three_delete_form)(void *, size_t, size_t);
static struct {
    new_form array;
    aligned_new_form aligned_array;
    delete_form delete_array;
    two_delete_form delete_sized, delete_sized_array, delete_aligned_array;
    three_delete_form delete_sized_aligned, delete_sized_aligned_array;
} forms = {
    .array = _Znwm,
    .aligned_array = _ZnwmSt11align_val_t,
    .delete_array = _ZdlPv,
    .delete_sized = AS(two_delete_form, _ZdlPv),
    .delete_sized_array = AS(two_delete_form, _ZdaPv),
    .delete_aligned_array = _ZdlPvSt11align_val_t,
};

EXPORT void *_Znam(size_t n) {
    return forms.array(n);
}
EXPORT void *_ZnamSt11align_val_t(size_t n, size_t alignment) {
    return forms.aligned_array(n, alignment);
}

EXPORT void _ZdaPv(void *p) {
    forms.delete_array(p);
}
EXPORT void _ZdlPvm(void *p, size_t n) {
    forms.delete_sized(p, n);
}
EXPORT void _ZdaPvm(void *p, size_t n) {
    forms.delete_sized_array(p, n);
}
EXPORT void _ZdlPvRKSt9nothrow_t(void *p, const void *nothrow UNUSED) {
    _ZdlPv(p);
}
EXPORT void _ZdaPvRKSt9nothrow_t(void *p, const void *nothrow UNUSED) {
    _ZdaPv(p);
}
EXPORT void _ZdaPvSt11align_val_t(void *p, size_t alignment) {
    forms.delete_aligned_array(p, alignment);
}
EXPORT void _ZdlPvmSt11align_val_t(void *p, size_t n, size_t alignment) {
    if (unlikely(forms.delete_sized_aligned != NULL))
        forms.delete_sized_aligned(p, n, alignment);
    else
        _ZdlPvSt11align_val_t(p, alignment);
}
EXPORT void _ZdaPvmSt11align_val_t(void *p, size_t n, size_t alignment) {
    if (unlikely(forms.delete_sized_aligned_array != NULL))
        forms.delete_sized_aligned_array(p, n, alignment);
    else
        _ZdaPvSt11align_val_t(p, alignment);
}
EXPORT void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *p, size_t alignment, const void *nothrow UNUSED) {
    _ZdlPvSt11align_val_t(p, alignment);
}
EXPORT void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *p, size_t alignment, const void *nothrow UNUSED) {
    _ZdaPvSt11align_val_t(p, alignment);
}

/* --- where blocks are tracked --- */

#define ONE    "operator delete"
#define ARRAYS "operator delete[]"

static void delete_array(void *p) {
    static const struct release by = {.entry = ARRAYS, .family = FAMILY_ARRAY};
    new_give(p, &by, FRAME);
}
static void delete_sized(void *p, size_t n) {
    struct release by = {.entry = ONE, .family = FAMILY_NEW, .sized = true, .size = n};
    new_give(p, &by, FRAME);
}
static void delete_sized_array(void *p, size_t n) {
    struct release by = {.entry = ARRAYS, .family = FAMILY_ARRAY, .sized = true, .size = n};
    new_give(p, &by, FRAME);
}
static void delete_aligned_array(void *p, size_t alignment UNUSED) {
    static const struct release by = {.entry = ARRAYS, .family = FAMILY_ARRAY | FAMILY_ALIGNED};
    new_give(p, &by, FRAME);
}
static void delete_sized_aligned(void *p, size_t n, size_t alignment UNUSED) {
    struct release by = {.entry = ONE, .family = FAMILY_NEW | FAMILY_ALIGNED, .sized = true, .size = n};
    new_give(p, &by, FRAME);
}
static void delete_sized_aligned_array(void *p, size_t n, size_t alignment UNUSED) {
    struct release by = {.entry = ARRAYS, .family = FAMILY_ARRAY | FAMILY_ALIGNED, .sized = true, .size = n};
    new_give(p, &by, FRAME);
}

extern void *own_array(size_t n) __attribute__((alias("_Znam"), visibility("hidden")));
extern void *own_aligned_array(size_t n, size_t alignment)
    __attribute__((alias("_ZnamSt11align_val_t"), visibility("hidden")));
extern void own_delete_array(void *p) __attribute__((alias("_ZdaPv"), visibility("hidden")));
extern void own_delete_aligned_array(void *p, size_t alignment)
    __attribute__((alias("_ZdaPvSt11align_val_t"), visibility("hidden")));
extern void own_delete_sized(void *p, size_t n) __attribute__((alias("_ZdlPvm"), visibility("hidden")));
extern void own_delete_sized_array(void *p, size_t n) __attribute__((alias("_ZdaPvm"), visibility("hidden")));

void new_tell_apart(void) {
    bool replaced = REPLACED(_Znwm, new_own) || REPLACED(_Znam, own_array) || REPLACED(_ZdlPv, delete_own) ||
                    REPLACED(_ZdaPv, own_delete_array) || REPLACED(_ZdlPvm, own_delete_sized) ||
                    REPLACED(_ZdaPvm, own_delete_sized_array) || REPLACED(_ZnwmSt11align_val_t, new_own_aligned) ||
                    REPLACED(_ZnamSt11align_val_t, own_aligned_array) ||
                    REPLACED(_ZdlPvSt11align_val_t, delete_own_aligned) ||
                    REPLACED(_ZdaPvSt11align_val_t, own_delete_aligned_array);
    if (replaced) {
        family_ignore();
        return;
    }
    forms.array = new_array;
    forms.aligned_array = new_aligned_array;
    forms.delete_array = delete_array;
    forms.delete_sized = delete_sized;
    forms.delete_sized_array = delete_sized_array;
    forms.delete_aligned_array = delete_aligned_array;
    forms.delete_sized_aligned = delete_sized_aligned;
    forms.delete_sized_aligned_array = delete_sized_aligned_array;
}

/* --- nothrow --- */

typedef void *(*nothrow_function)(size_t, const void *);
typedef void *(*aligned_nothrow_function)(size_t, size_t, const void *);

enum form { PLAIN, ARRAY, ALIGNED_ONE, ALIGNED_ARRAY };

/* The C++ library's form calls the operator that it is defined by and catches what that throws, which C cannot. */
static const char *const symbols[] = {"_ZnwmRKSt9nothrow_t", "_ZnamRKSt9nothrow_t",
                                      "_ZnwmSt11align_val_tRKSt9nothrow_t", "_ZnamSt11align_val_tRKSt9nothrow_t"};

static int read_unloads(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    *(uint64_t *)context = info->dlpi_subs;
    return 1;
}

/* For those who ask at every call: remembered until the loader unloads anything. The number of unloads lies above the
 * address, so that nobody takes one for the other's. */
static void *known_form(enum form form, const void *caller) {
    static _Atomic uint64_t known[ARRAY_LENGTH(symbols)];
    uint64_t unloads = 0, word = atomic_load_explicit(&known[form], memory_order_relaxed);
    (void)dl_iterate_phdr(read_unloads, &unloads);
    if (word && word >> 48 == (unloads & 0xffff)) return (void *)(word & 0xffffffffffff);
    void *f = cxx_function(caller, symbols[form]);
    atomic_store_explicit(&known[form], f ? unloads << 48 | (uintptr_t)f : 0, memory_order_relaxed);
    return f;
}

static enum family family_of(enum form form) {
    return form == ARRAY || form == ALIGNED_ARRAY ? FAMILY_ARRAY : FAMILY_NEW;
}

static NOINLINE void *nothrow_slow(enum form form, size_t n, const void *nothrow) {
    void *p = new_quietly(n, 16, family_of(form), FRAME);
    if (likely(p != NULL)) return p;
    nothrow_function f = (nothrow_function)(uintptr_t)cxx_function(CALLER, symbols[form]);
    return f ? f(n, nothrow) : track_new(n, 16, family_of(form), CEILING_NEW, CALLER, FRAME);
}

static NOINLINE void *aligned_slow(enum form form, size_t n, size_t alignment, const void *nothrow) {
    void *p = new_aligned_quietly(n, alignment, family_of(form), FRAME);
    if (likely(p != NULL)) return p;
    aligned_nothrow_function f = (aligned_nothrow_function)(uintptr_t)cxx_function(CALLER, symbols[form]);
    if (f) return f(n, alignment, nothrow);
    return new_alignment_is_valid(alignment)
               ? track_new(n, max_size(alignment, 16), family_of(form) | FAMILY_ALIGNED, CEILING_NEW, CALLER, FRAME)
               : NULL;
}

/* Where the program has replaced what the form is defined by. */
static NOINLINE void *replaced(enum form form, size_t n, const void *nothrow) {
    nothrow_function f = (nothrow_function)(uintptr_t)known_form(form, CALLER);
    if (f) return f(n, nothrow);
    return form == ARRAY ? _Znam(n) : _Znwm(n);
}
static NOINLINE void *replaced_aligned(enum form form, size_t n, size_t alignment, const void *nothrow) {
    aligned_nothrow_function f = (aligned_nothrow_function)(uintptr_t)known_form(form, CALLER);
    if (f) return f(n, alignment, nothrow);
    return form == ALIGNED_ARRAY ? _ZnamSt11align_val_t(n, alignment) : _ZnwmSt11align_val_t(n, alignment);
}

/* The array forms are these too, unless they are replaced by themselves. */
ALWAYS_INLINE void *nothrow_of_one(enum form form, size_t n, const void *nothrow) {
    if (unlikely(REPLACED(_Znwm, new_own))) return replaced(PLAIN, n, nothrow);
    void *p = arena_pop(n);
    return likely(p != NULL) ? p : nothrow_slow(form, n, nothrow);
}
ALWAYS_INLINE void *aligned_nothrow_of_one(enum form form, size_t n, size_t alignment, const void *nothrow) {
    if (unlikely(REPLACED(_ZnwmSt11align_val_t, new_own_aligned)))
        return replaced_aligned(ALIGNED_ONE, n, alignment, nothrow);
    return aligned_slow(form, n, alignment, nothrow);
}

EXPORT void *_ZnwmRKSt9nothrow_t(size_t n, const void *nothrow) {
    return nothrow_of_one(PLAIN, n, nothrow);
}
EXPORT void *_ZnamRKSt9nothrow_t(size_t n, const void *nothrow) {
    if (unlikely(REPLACED(_Znam, own_array))) return replaced(ARRAY, n, nothrow);
    return nothrow_of_one(ARRAY, n, nothrow);
}
EXPORT void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t n, size_t alignment, const void *nothrow) {
    return aligned_nothrow_of_one(ALIGNED_ONE, n, alignment, nothrow);
}
EXPORT void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t n, size_t alignment, const void *nothrow) {
    if (unlikely(REPLACED(_ZnamSt11align_val_t, own_aligned_array)))
        return replaced_aligned(ALIGNED_ARRAY, n, alignment, nothrow);
    return aligned_nothrow_of_one(ALIGNED_ARRAY, n, alignment, nothrow);
}
