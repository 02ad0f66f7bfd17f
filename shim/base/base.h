/* What every room of the shim stands on: attributes, asserts, byte loops. Includes nothing of the program's libc but
 * types, and calls nothing. */
#ifndef WEIR_BASE_BASE_H
#define WEIR_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if !defined(__x86_64__)
#    error "weir's shim knows x86-64 only"
#endif

#define EXPORT    __attribute__((visibility("default")))
#define ALIAS(of) __attribute__((alias(#of), visibility("default")))
/* On a variable's declaration: it is reached directly, not through the global offset table. */
#define HIDDEN   __attribute__((visibility("hidden")))
#define NOINLINE __attribute__((noinline))
#ifdef __clang__
#    define NOCLONE
#else
#    define NOCLONE __attribute__((noclone))
#endif
#define ALWAYS_INLINE   static inline __attribute__((always_inline))
#define COLD            __attribute__((cold, noinline))
#define likely(x)       __builtin_expect(!!(x), 1)
#define unlikely(x)     __builtin_expect(!!(x), 0)
#define ALIGNED(n)      __attribute__((aligned(n)))
#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

#define KIB             ((size_t)1 << 10)
#define MIB             ((size_t)1 << 20)
#define GIB             ((size_t)1 << 30)
#define TIB             ((size_t)1 << 40)
#define PAGE            ((size_t)4096)

ALWAYS_INLINE size_t round_up(size_t n, size_t to) {
    return (n + to - 1) & ~(to - 1);
}
ALWAYS_INLINE size_t round_down(size_t n, size_t to) {
    return n & ~(to - 1);
}
ALWAYS_INLINE size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}
ALWAYS_INLINE size_t max_size(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Checked in debug builds only; the message names the place and the process dies, so that no test can miss it. */
#ifdef WEIR_DEBUG
COLD _Noreturn void base_assert_failed(const char *what, const char *file, int line);
#    define ASSERT(x) (likely(x) ? (void)0 : base_assert_failed(#    x, __FILE__, __LINE__))
#else
#    define ASSERT(x) ((void)0)
#endif

/* memset and memcpy of our own: the program may interpose libc's, and the compiler is told not to call them. The
 * string instructions are the fastest way for long ones on every x86-64 with ERMS; short ones go 16 bytes a time. */
#define STRING_MIN 2048 /* bytes; below, starting up the string instructions costs more than they save */
typedef long long vec16 __attribute__((vector_size(16), aligned(1), may_alias));

ALWAYS_INLINE void mem_zero(void *to, size_t n) {
    char *p = to;
    if (n >= STRING_MIN) {
        __asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(0) : "memory");
        return;
    }
    for (; n >= 64; n -= 64, p += 64) {
        vec16 *v = (vec16 *)p;
        v[0] = v[1] = v[2] = v[3] = (vec16){0, 0};
    }
    for (; n >= 16; n -= 16, p += 16) *(vec16 *)p = (vec16){0, 0};
    for (; n > 0; n--) *p++ = 0;
}

ALWAYS_INLINE void mem_copy(void *to, const void *from, size_t n) {
    char *p = to;
    const char *q = from;
    if (n >= STRING_MIN) {
        __asm__ volatile("rep movsb" : "+D"(p), "+S"(q), "+c"(n) : : "memory");
        return;
    }
    for (; n >= 64; n -= 64, p += 64, q += 64) {
        vec16 *to_ = (vec16 *)p;
        const vec16 *from_ = (const vec16 *)q;
        vec16 a = from_[0], b = from_[1], c = from_[2], d = from_[3];
        to_[0] = a, to_[1] = b, to_[2] = c, to_[3] = d;
    }
    for (; n >= 16; n -= 16, p += 16, q += 16) *(vec16 *)p = *(const vec16 *)q;
    for (; n > 0; n--) *p++ = *q++;
}

ALWAYS_INLINE bool mem_equal(const void *a, const void *b, size_t n) {
    const char *p = a, *q = b;
    for (size_t i = 0; i < n; i++)
        if (p[i] != q[i]) return false;
    return true;
}

/* FNV-1a, of 64 bits. */
ALWAYS_INLINE uint64_t mem_hash(const void *a, size_t n) {
    uint64_t hash = 0xcbf29ce484222325u;
    const unsigned char *p = a;
    for (size_t i = 0; i < n; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

ALWAYS_INLINE size_t str_length(const char *s) {
    size_t n = 0;
    while (s[n]) n++;
    return n;
}

ALWAYS_INLINE bool str_equal(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

/* -1: it is none; the kernel writes them in small letters. */
ALWAYS_INLINE int hex_digit(int c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What follows the last slash that something follows. */
ALWAYS_INLINE const char *path_base(const char *path) {
    const char *base = path;
    for (const char *p = path; *p; p++)
        if (*p == '/' && p[1]) base = p + 1;
    return base;
}

/* The rest of s behind prefix, or NULL. */
ALWAYS_INLINE const char *str_after(const char *s, const char *prefix) {
    while (*prefix)
        if (*s++ != *prefix++) return NULL;
    return s;
}

#endif
