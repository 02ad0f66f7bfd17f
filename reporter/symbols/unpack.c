/* See unpack.h. */
#include "reporter/symbols/unpack.h"

#include <lzma.h>
#include <stdlib.h>
#include <zstd.h>

/* zlib cannot do better than one byte for 1032; zstd can, where a section is all one byte, as .debug_addr of what a
 * linker dropped. */
#define RATIO_MOST  1032
#define RATIO_FREE  (64u << 20)  /* so much is believed of any section */
#define XZ_MEMORY   (128u << 20) /* for its dictionary: twice what xz -9 needs */
#define XZ_AT_FIRST (64u << 10)

static const char damaged[] = "is damaged", too_large[] = "is too large";

bool unpack_credible(uint64_t length, uint64_t size) {
    return size <= RATIO_FREE || size / RATIO_MOST <= length;
}

bool unpack_zstd(struct unpacked *to, const void *from, size_t length, uint64_t size, const char **why) {
    *to = (struct unpacked){0};
    *why = too_large;
    if (size > SIZE_MAX / 2 || !unpack_credible(length, size)) return false;
    unsigned char *bytes = malloc(size ? (size_t)size : 1);
    if (!bytes) return false;
    *why = damaged;
    if (ZSTD_decompress(bytes, (size_t)size, from, length) != size) {
        free(bytes);
        return false;
    }
    *why = NULL;
    *to = (struct unpacked){bytes, (size_t)size};
    return true;
}

/* Runs the stream until it ends, or cannot go on. */
static bool run_xz(lzma_stream *stream, struct unpacked *to, size_t limit, const char **why) {
    size_t capacity = 0;
    *why = too_large;
    for (;;) {
        if (!stream->avail_out) {
            if (capacity >= limit) return false;
            size_t more = capacity ? capacity * 2 : XZ_AT_FIRST;
            if (more > limit) more = limit;
            unsigned char *bytes = realloc(to->bytes, more);
            if (!bytes) return false;
            to->bytes = bytes;
            stream->next_out = bytes + capacity;
            stream->avail_out = more - capacity;
            capacity = more;
        }
        lzma_ret result = lzma_code(stream, LZMA_FINISH);
        to->size = capacity - stream->avail_out;
        if (result == LZMA_OK) continue;
        if (result != LZMA_MEMLIMIT_ERROR && result != LZMA_MEM_ERROR) *why = damaged;
        return result == LZMA_STREAM_END && to->size > 0;
    }
}

bool unpack_xz(struct unpacked *to, const void *from, size_t length, size_t limit, const char **why) {
    lzma_stream stream = LZMA_STREAM_INIT;
    *to = (struct unpacked){0};
    *why = damaged;
    if (lzma_stream_decoder(&stream, XZ_MEMORY, 0) != LZMA_OK) return false;
    stream.next_in = from;
    stream.avail_in = length;
    bool whole = run_xz(&stream, to, limit, why);
    lzma_end(&stream);
    if (whole) {
        *why = NULL;
        return true;
    }
    free(to->bytes);
    *to = (struct unpacked){0};
    return false;
}
