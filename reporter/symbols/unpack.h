/* Decompression: sections of debug information (zstd), MiniDebugInfo (xz). What a header promises is not believed: it
 * is held against limits before anything is allocated, or memory grows with what comes out. */
#ifndef WEIR_SYMBOLS_UNPACK_H
#define WEIR_SYMBOLS_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unpacked {
    unsigned char *bytes; /* to be freed */
    size_t size;
};

/* Whether `length` bytes may honestly stand for `size`: sections are at most so much smaller than what they hold. */
bool unpack_credible(uint64_t length, uint64_t size);

/* Exactly `size` bytes must come out. False: `why` says what is wrong, and there is nothing to be freed. */
bool unpack_zstd(struct unpacked *to, const void *from, size_t length, uint64_t size, const char **why);

/* At most `limit` bytes may come out, one at least. */
bool unpack_xz(struct unpacked *to, const void *from, size_t length, size_t limit, const char **why);

#endif
