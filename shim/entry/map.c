/* The functions that map memory; track/mappings.h does what they do. madvise changes what is resident, not what is
 * mapped, and remap_file_pages what is mapped where; neither is looked at. */
#include "shim/entry/hooks.h"
#include "shim/entry/start.h"
#include "shim/ceiling/mappings.h"
#include "shim/track/track.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset) {
    start_check();
    return mappings_map(addr, len, prot, flags, fd, offset, CALLER);
}
extern void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset) ALIAS(mmap);

EXPORT int munmap(void *addr, size_t len) {
    start_check();
    return mappings_unmap(addr, len);
}

EXPORT void *mremap(void *addr, size_t old_len, size_t new_len, int flags, ...) {
    start_check();
    void *target = NULL;
    if (flags & (MREMAP_FIXED | 4)) { /* MREMAP_DONTUNMAP takes a hint */
        va_list args;
        va_start(args, flags);
        target = va_arg(args, void *);
        va_end(args);
    }
    return mappings_remap(addr, old_len, new_len, flags, target, CALLER);
}

EXPORT int mprotect(void *addr, size_t len, int prot) {
    start_check();
    return mappings_protect(addr, len, prot, -1, CALLER);
}

EXPORT int pkey_mprotect(void *addr, size_t len, int prot, int pkey) {
    start_check();
    return mappings_protect(addr, len, prot, pkey, CALLER);
}

EXPORT int brk(void *addr) {
    start_check();
    return mappings_brk(addr, CALLER);
}

EXPORT void *sbrk(intptr_t delta) {
    start_check();
    return mappings_sbrk(delta, CALLER);
}

EXPORT void *shmat(int shmid, const void *shmaddr, int shmflg) {
    start_check();
    return mappings_attach(shmid, shmaddr, shmflg);
}

EXPORT int shmdt(const void *shmaddr) {
    start_check();
    return mappings_detach(shmaddr);
}

/* By syscall, see seccomp.c. */
long map_by_syscall(long number, long a, long b, long c, long d, long e, long f) HIDDEN;
long map_by_syscall(long number, long a, long b, long c, long d, long e, long f) {
    start_check();
    void *at = (void *)a;
    switch (number) {
    case SYS_mmap:
        return (long)mappings_map(at, (size_t)b, (int)c, (int)d, (int)e, f, CALLER);
    case SYS_munmap:
        return mappings_unmap(at, (size_t)b);
    case SYS_mremap:
        return (long)mappings_remap(at, (size_t)b, (size_t)c, (int)d, (void *)e, CALLER);
    case SYS_mprotect:
        return mappings_protect(at, (size_t)b, (int)c, -1, CALLER);
    case SYS_pkey_mprotect:
        return mappings_protect(at, (size_t)b, (int)c, (int)d, CALLER);
    case SYS_shmat:
        return (long)mappings_attach((int)a, (const void *)b, (int)c);
    case SYS_shmdt:
        return mappings_detach(at);
    default: { /* brk answers with where the end is, whatever became of it */
        int error = errno;
        if (at) (void)mappings_brk(at, CALLER);
        errno = error;
        return (long)mappings_sbrk(0, CALLER);
    }
    }
}
