/* The functions that map memory; track/mappings.h does what they do. madvise changes what is resident, not what is
 * mapped, and remap_file_pages what is mapped where; neither is looked at here. */
#include "shim/arena/held.h"
#include "shim/entry/hooks.h"
#include "shim/entry/start.h"
#include "shim/ceiling/ceiling.h"
#include "shim/ceiling/mappings.h"
#include "shim/track/track.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a watermark's crossing asks for, see ceiling.h; the call's errno stays. */
static COLD void tell(void) {
    int error = errno;
    ceiling_tell_crossings();
    errno = error;
}

/* A cancellation waits: it would leave what is charged without a mapping. */
#define WITHIN(call)                                                                                                   \
    ({                                                                                                                 \
        start_check();                                                                                                 \
        arena_within();                                                                                                \
        __typeof__(call) result = (call);                                                                              \
        if (unlikely(ceiling_is_crossed())) tell();                                                                    \
        arena_not_within();                                                                                            \
        result;                                                                                                        \
    })

EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset) {
    return WITHIN(mappings_map(addr, len, prot, flags, fd, offset, FRAME));
}
extern void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset) ALIAS(mmap);

EXPORT int munmap(void *addr, size_t len) {
    return WITHIN(mappings_unmap(addr, len));
}

EXPORT void *mremap(void *addr, size_t old_len, size_t new_len, int flags, ...) {
    void *target = NULL;
    if (flags & (MREMAP_FIXED | 4)) { /* MREMAP_DONTUNMAP takes a hint */
        va_list args;
        va_start(args, flags);
        target = va_arg(args, void *);
        va_end(args);
    }
    return WITHIN(mappings_remap(addr, old_len, new_len, flags, target, FRAME));
}

EXPORT int mprotect(void *addr, size_t len, int prot) {
    return WITHIN(mappings_protect(addr, len, prot, -1, FRAME));
}

EXPORT int pkey_mprotect(void *addr, size_t len, int prot, int pkey) {
    return WITHIN(mappings_protect(addr, len, prot, pkey, FRAME));
}

EXPORT int brk(void *addr) {
    return WITHIN(mappings_brk(addr, FRAME));
}

EXPORT void *sbrk(intptr_t delta) {
    return WITHIN(mappings_sbrk(delta, FRAME));
}

EXPORT void *shmat(int shmid, const void *shmaddr, int shmflg) {
    return WITHIN(mappings_attach(shmid, shmaddr, shmflg));
}

EXPORT int shmdt(const void *shmaddr) {
    return WITHIN(mappings_detach(shmaddr));
}

static long by_syscall(long number, long a, long b, long c, long d, long e, long f, const void *frame) {
    void *at = (void *)a;
    switch (number) {
    case SYS_mmap:
        return (long)mappings_map(at, (size_t)b, (int)c, (int)d, (int)e, f, frame);
    case SYS_munmap:
        return mappings_unmap(at, (size_t)b);
    case SYS_mremap:
        return (long)mappings_remap(at, (size_t)b, (size_t)c, (int)d, (void *)e, frame);
    case SYS_mprotect:
        return mappings_protect(at, (size_t)b, (int)c, -1, frame);
    case SYS_pkey_mprotect:
        return mappings_protect(at, (size_t)b, (int)c, (int)d, frame);
    case SYS_shmat:
        return (long)mappings_attach((int)a, (const void *)b, (int)c);
    case SYS_shmdt:
        return mappings_detach(at);
    default: { /* brk answers with where the end is, whatever became of it */
        int error = errno;
        if (at) (void)mappings_brk(at, frame);
        errno = error;
        return (long)mappings_sbrk(0, frame);
    }
    }
}

/* From syscall, see seccomp.c. */
long map_by_syscall(long number, long a, long b, long c, long d, long e, long f) HIDDEN;
long map_by_syscall(long number, long a, long b, long c, long d, long e, long f) {
    return WITHIN(by_syscall(number, a, b, c, d, e, f, FRAME));
}
