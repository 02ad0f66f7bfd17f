/* See zip.h. */
#include "reporter/forms/zip.h"

#include <limits.h>
#include <stdlib.h>

#include "reporter/load/memory.h"

#define LEVEL 3 /* smaller than 6 for such data, and faster */

static void *get(void *nothing, unsigned count, unsigned size) {
    (void)nothing;
    return memory_get(count, size);
}

static void give(void *nothing, void *memory) {
    (void)nothing;
    free(memory);
}

void zip_begin(struct zip *zip, enum zip_form form, zip_sink *sink, void *to) {
    *zip = (struct zip){.stream = {.zalloc = get, .zfree = give}, .sink = sink, .to = to};
    /* Fails where memory does, which has ended the program then, or for arguments that are not these. */
    (void)deflateInit2(&zip->stream, LEVEL, Z_DEFLATED, form == ZIP_GZIP ? MAX_WBITS + 16 : -MAX_WBITS, 8,
                       Z_DEFAULT_STRATEGY);
}

static void run(struct zip *zip, int flush) {
    unsigned char bytes[16384];
    do {
        zip->stream.next_out = bytes;
        zip->stream.avail_out = sizeof bytes;
        (void)deflate(&zip->stream, flush);
        if (zip->stream.avail_out < sizeof bytes) zip->sink(zip->to, bytes, sizeof bytes - zip->stream.avail_out);
    } while (zip->stream.avail_out == 0);
}

void zip_write(struct zip *zip, const void *bytes, size_t length) {
    const unsigned char *at = bytes;
    while (length) {
        unsigned part = length > UINT_MAX ? UINT_MAX : (unsigned)length;
        zip->stream.next_in = (unsigned char *)at;
        zip->stream.avail_in = part;
        run(zip, Z_NO_FLUSH);
        at += part;
        length -= part;
    }
}

void zip_end(struct zip *zip) {
    run(zip, Z_FINISH);
    (void)deflateEnd(&zip->stream);
}
