/* Aligned allocation as glibc has it: memalign and aligned_alloc take any alignment and round it up to a power of two,
 * posix_memalign checks. */
#include "shim/entry/start.h"

#include <errno.h>

static size_t to_power_of_two(size_t n) {
    if (n <= 16) return 16;
    unsigned bits = 64u - (unsigned)__builtin_clzl(n - 1);
    return bits < 64 ? (size_t)1 << bits : SIZE_MAX;
}

static NOINLINE void *allocate(size_t alignment, size_t n, const void *caller, const void *frame) {
    start_check();
    return track_allocate(n, alignment, false, CEILING_ALIGNED, caller, frame);
}

EXPORT void *memalign(size_t alignment, size_t n) {
    if (alignment > (SIZE_MAX >> 1) + 1) {
        errno = EINVAL; /* no power of two is that large */
        return NULL;
    }
    return allocate(to_power_of_two(alignment), n, CALLER, FRAME);
}

/* EINVAL unless the alignment is a power of two and a multiple of a pointer's size; *out is then untouched. Never sets
 * errno. */
EXPORT int posix_memalign(void **out, size_t alignment, size_t n) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
    int before = errno;
    void *p = allocate(to_power_of_two(alignment), n, CALLER, FRAME);
    errno = before;
    if (!p) return ENOMEM;
    *out = p;
    return 0;
}

EXPORT void *valloc(size_t n) {
    return allocate(PAGE, n, CALLER, FRAME);
}

EXPORT void *pvalloc(size_t n) {
    if (n > SIZE_MAX - PAGE) {
        errno = ENOMEM;
        return NULL;
    }
    return allocate(PAGE, n == 0 ? PAGE : round_up(n, PAGE), CALLER, FRAME);
}

extern void *aligned_alloc(size_t alignment, size_t n) ALIAS(memalign);
extern void *__libc_memalign(size_t alignment, size_t n) ALIAS(memalign);
extern void *__libc_valloc(size_t n) ALIAS(valloc);
extern void *__libc_pvalloc(size_t n) ALIAS(pvalloc);
extern int __posix_memalign(void **out, size_t alignment, size_t n) ALIAS(posix_memalign);
