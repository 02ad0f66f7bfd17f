/* weir.h: for programs that want to tell weir what they do with a block. To be included without linking anything: where
 * weir is not loaded, the calls do nothing but look whether it is.
 *
 *   weir_touch(buffer, "parsed");     an access record of the block that `buffer` points to, or into
 *
 * At the levels advanced and paranoid, where the block is tracked; else nothing is recorded. A report shows the newest
 * of these beside those of realloc, read, write and others (WEIR_TARGET_RECORDS). Any thread may call it, a signal
 * handler too; errno stays what it is, and nothing fails. `block` may be any pointer, NULL too. `hint` is a string, of
 * which the first 200 bytes are copied, or NULL. About 4,000 different ones are told apart, 1 MiB in all: words, not
 * numbers that count up.
 *
 *   weir_pool_alloc(buffer, n);       a pool of the program's own gives out n bytes of its memory
 *   weir_pool_free(buffer);           and has them back
 *
 * At the level paranoid such a part counts as a block of its own: with the stack, the time and the thread of the call,
 * listed in reports, and judged. A pointer into the part keeps it, one to the block around it does not; what it holds
 * leads on from the part. It may also lie in what the program has mapped itself, or in static data, of which the rest
 * stays what it was, but not on a stack. It ends with weir_pool_free, by the address that was given; when another part
 * begins at that address; with the block, or when its memory is unmapped. n of 0 counts as 1. What does not lie in one
 * block as a whole is passed over, and of parts that overlap the one that begins last counts. A million parts are
 * noted, less under a ceiling; those that find no room, or come in a signal handler that has interrupted malloc, are
 * counted. Any thread may call these; errno stays what it is, and nothing fails.
 *
 *   weir_mark("loaded");              a moment of that name
 *
 * As `weir mark` sets it: `weir report --since loaded DUMP` shows what was made since and is still there. Dumps have
 * the latest 1024. Of the name the first 63 bytes are copied. Any thread may call it, a signal handler too; errno stays
 * what it is, and nothing fails.
 *
 *   n = weir_check();                 blocks that were made since the latest mark, and leaked
 *
 * Searches memory there and then, as <sanitizer/lsan_interface.h>'s functions do, and says on standard error what
 * leaked of the blocks that were made since the latest mark (ever, where there is none), site by site. Returns their
 * number, those left out that only leaked ones lead to and those that the program's own list suppresses; 0: there is
 * none, or weir is not loaded; -1: that could not be found out (level disabled, a dump is being written, memory that
 * cannot be read, threads that cannot be held). At the levels simple and advanced only blocks that are tracked count.
 * What the caller still has in a register or on its stack is in use: call it from a function that does not hold it. It
 * takes as long as memory takes to be read, some ms at least in a program of several threads; not from a signal
 * handler. */
#ifndef WEIR_H
#define WEIR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The block is not looked at: it may not have been written to yet. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#    define WEIR_LOOKS_AT_HINT_ONLY __attribute__((access(none, 1)))
#else
#    define WEIR_LOOKS_AT_HINT_ONLY
#endif

/* libweir.so's functions have the same names, which these cannot have too. What is loaded, if anything is. */
typedef void weir_touch_function(const void *block, const char *hint) WEIR_LOOKS_AT_HINT_ONLY;
typedef void weir_pool_alloc_function(const void *part, size_t n);
typedef void weir_pool_free_function(const void *part);
typedef void weir_mark_function(const char *name);
typedef int weir_check_function(void);
#if !defined(__x86_64__) || defined(__ILP32__)
extern void weir_touch_if_loaded(const void *block, const char *hint) __asm__("weir_touch") __attribute__((weak));
extern void weir_pool_alloc_if_loaded(const void *part, size_t n) __asm__("weir_pool_alloc") __attribute__((weak));
extern void weir_pool_free_if_loaded(const void *part) __asm__("weir_pool_free") __attribute__((weak));
extern void weir_mark_if_loaded(const char *name) __asm__("weir_mark") __attribute__((weak));
extern int weir_check_if_loaded(void) __asm__("weir_check") __attribute__((weak));
#    define WEIR_LOADED(name) name##_function *loaded = name##_if_loaded
#else
/* Declares `loaded`. Not by its address, which a linker takes for 0 in a program at fixed addresses. */
#    define WEIR_LOADED(name)                                                                                          \
        name##_function *loaded;                                                                                       \
        __asm__(".weak " #name "\n\tmovq " #name "@GOTPCREL(%%rip), %0" : "=r"(loaded))
#endif

static __inline__ void weir_touch(const void *block,
                                  const char *hint) __asm__("weir_touch_inline") WEIR_LOOKS_AT_HINT_ONLY;
static __inline__ void weir_touch(const void *block, const char *hint) {
    WEIR_LOADED(weir_touch);
    if (loaded) loaded(block, hint);
}

static __inline__ void weir_pool_alloc(const void *part, size_t n) __asm__("weir_pool_alloc_inline");
static __inline__ void weir_pool_alloc(const void *part, size_t n) {
    WEIR_LOADED(weir_pool_alloc);
    if (loaded) loaded(part, n);
}

static __inline__ void weir_pool_free(const void *part) __asm__("weir_pool_free_inline");
static __inline__ void weir_pool_free(const void *part) {
    WEIR_LOADED(weir_pool_free);
    if (loaded) loaded(part);
}

static __inline__ void weir_mark(const char *name) __asm__("weir_mark_inline");
static __inline__ void weir_mark(const char *name) {
    WEIR_LOADED(weir_mark);
    if (loaded) loaded(name);
}

static __inline__ int weir_check(void) __asm__("weir_check_inline");
static __inline__ int weir_check(void) {
    WEIR_LOADED(weir_check);
    return loaded ? loaded() : 0;
}

#ifdef __cplusplus
}
#endif

#endif
