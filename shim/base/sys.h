/* Raw system calls. The program may interpose every libc function, and libc's wrappers set errno; these do neither.
 * They return the kernel's answer: a value, or a negative errno; -EPERM for what a filter of the program's own would
 * end it for (filter.h). */
#ifndef WEIR_BASE_SYS_H
#define WEIR_BASE_SYS_H

#include "shim/base/base.h"
#include "shim/base/fault.h"
#include "shim/base/filter.h"
#include "shim/base/reserve.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#ifdef __clang_analyzer__
long sys6(long n, long a, long b, long c, long d, long e, long f); /* may write through any of them */
#    define sys_unfiltered sys6
#else
/* For what the program has asked for, and what leads to its end. */
ALWAYS_INLINE long sys_unfiltered(long n, long a, long b, long c, long d, long e, long f) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
long sys_filtered(long n, long a, long b, long c, long d, long e, long f);
ALWAYS_INLINE long sys6(long n, long a, long b, long c, long d, long e, long f) {
    if (unlikely(fault_any) && fault_is_next(n)) return -12; /* ENOMEM */
    return unlikely(filter_any) ? sys_filtered(n, a, b, c, d, e, f) : sys_unfiltered(n, a, b, c, d, e, f);
}
#endif
#define sys5(n, a, b, c, d, e) sys6(n, a, b, c, d, e, 0)
#define sys4(n, a, b, c, d)    sys6(n, a, b, c, d, 0, 0)
#define sys3(n, a, b, c)       sys6(n, a, b, c, 0, 0, 0)
#define sys2(n, a, b)          sys6(n, a, b, 0, 0, 0, 0)
#define sys1(n, a)             sys6(n, a, 0, 0, 0, 0, 0)
#define sys0(n)                sys6(n, 0, 0, 0, 0, 0, 0)

ALWAYS_INLINE bool sys_failed(long result) {
    return (unsigned long)result > -4096UL;
}

/* NULL where the kernel refuses. */
void *sys_map_locked(void *at, size_t n, int protection, int flags);
ALWAYS_INLINE void *sys_mmap(void *at, size_t n, int protection, int flags) {
    if (unlikely(reserve_locks)) return sys_map_locked(at, n, protection, flags);
    long r = sys6(SYS_mmap, (long)at, (long)n, protection, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return sys_failed(r) ? NULL : (void *)r;
}
ALWAYS_INLINE void sys_munmap(void *p, size_t n) {
    (void)sys2(SYS_munmap, (long)p, (long)n);
}
ALWAYS_INLINE bool sys_mprotect(void *p, size_t n, int protection) {
    return sys3(SYS_mprotect, (long)p, (long)n, protection) == 0;
}
ALWAYS_INLINE bool sys_madvise(void *p, size_t n, int advice) {
    return sys3(SYS_madvise, (long)p, (long)n, advice) == 0;
}
/* 0 where a filter forbids even that. */
ALWAYS_INLINE uint32_t sys_getpid(void) {
    long id = sys0(SYS_getpid);
    return sys_failed(id) ? 0 : (uint32_t)id;
}
ALWAYS_INLINE uint32_t sys_gettid(void) {
    long id = sys0(SYS_gettid);
    return sys_failed(id) ? 0 : (uint32_t)id;
}
ALWAYS_INLINE void sys_futex_wait(uint32_t *word, uint32_t value) {
    (void)sys4(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, (long)value, 0);
}
ALWAYS_INLINE void sys_futex_wake(uint32_t *word, int n) {
    (void)sys3(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, n);
}
/* Less than a second. Not by nanosleep: the kernel would forget how a call goes on that this handler has interrupted
 * (base/interrupted.h). */
ALWAYS_INLINE void sys_pause(long ns) {
    uint32_t word = 0;
    struct timespec time = {0, ns};
    (void)sys4(SYS_futex, (long)&word, FUTEX_WAIT_PRIVATE, 0, (long)&time);
}

_Noreturn ALWAYS_INLINE void sys_exit_group(int status) {
    for (;;) (void)sys_unfiltered(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

#endif
