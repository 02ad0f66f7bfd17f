/* weir.h: for programs that want to tell weir what they do with a block. To be included without linking anything: where
 * weir is not loaded, the call does nothing.
 *
 *   weir_touch(buffer, "parsed");     an access record of the block that `buffer` points to, or into
 *
 * At the levels advanced and paranoid, where the block is tracked; else nothing is recorded. A report shows the newest
 * of these beside those of realloc, read, write and others (WEIR_TARGET_RECORDS). Any thread may call it, a signal
 * handler too; errno stays what it is, and nothing fails. `block` may be any pointer, NULL too. `hint` is a string, of
 * which the first 200 bytes are copied, or NULL. About 4,000 different ones are told apart, 1 MiB in all: words, not
 * numbers that count up. */
#ifndef WEIR_H
#define WEIR_H

#ifdef __cplusplus
extern "C" {
#endif

/* The block is not looked at: it may not have been written to yet. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#    define WEIR_LOOKS_AT_HINT_ONLY __attribute__((access(none, 1)))
#else
#    define WEIR_LOOKS_AT_HINT_ONLY
#endif

/* libweir.so's function has the same name, which this one cannot have too. */
typedef void weir_touch_function(const void *block, const char *hint) WEIR_LOOKS_AT_HINT_ONLY;
#if !defined(__x86_64__) || defined(__ILP32__)
extern void weir_touch_if_loaded(const void *block, const char *hint) __asm__("weir_touch") __attribute__((weak));
#endif

static __inline__ void weir_touch(const void *block,
                                  const char *hint) __asm__("weir_touch_inline") WEIR_LOOKS_AT_HINT_ONLY;
static __inline__ void weir_touch(const void *block, const char *hint) {
#if !defined(__x86_64__) || defined(__ILP32__)
    weir_touch_function *loaded = weir_touch_if_loaded;
#else
    /* Not by its address, which a linker takes for 0 in a program at fixed addresses. */
    weir_touch_function *loaded;
    __asm__(".weak weir_touch\n\tmovq weir_touch@GOTPCREL(%%rip), %0" : "=r"(loaded));
#endif
    if (loaded) loaded(block, hint);
}

#ifdef __cplusplus
}
#endif

#endif
