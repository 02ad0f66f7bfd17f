/* See unpack.h. */
#include "reporter/load/core/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "reporter/load/core/core.h"
#include "reporter/load/core/image.h"
#include "reporter/load/file.h"
#include "reporter/load/memory.h"
#include "reporter/load/progress.h"

#define SIZE_MOST ((uint64_t)1 << 44) /* holes included */

static bool begins_with(int fd, uint64_t size, const char *magic) {
    char begin[4];
    return size > sizeof begin && file_read(fd, begin, sizeof begin, 0) && memcmp(begin, magic, sizeof begin) == 0;
}

bool core_is_packed(int fd, uint64_t size) {
    return begins_with(fd, size, "\x28\xb5\x2f\xfd");
}

const char *core_packed_otherwise(int fd, uint64_t size) {
    return begins_with(fd, size, "\x04\x22\x4d\x18") ? "packed by lz4; lz4 -d unpacks it" : NULL;
}

struct unpacking {
    int from, to;
    uint64_t at, size; /* read of so many; */
    uint64_t written;  /* with holes */
    size_t held;       /* of the page */
    char page[CORE_PAGE];
};

static bool is_zero(const char *page, size_t n) {
    return page[0] == 0 && memcmp(page, page + 1, n - 1) == 0;
}

static bool put_page(struct unpacking *u) {
    size_t n = u->held;
    u->held = 0;
    if (n == 0 || is_zero(u->page, n)) {
        u->written += n;
        return u->written <= SIZE_MOST;
    }
    for (const char *at = u->page; n > 0;) {
        ssize_t done = pwrite(u->to, at, n, (off_t)u->written);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        at += done;
        u->written += (uint64_t)done;
        n -= (size_t)done;
    }
    return u->written <= SIZE_MOST;
}

static bool put(struct unpacking *u, const char *bytes, size_t n) {
    while (n > 0) {
        size_t part = CORE_PAGE - u->held < n ? CORE_PAGE - u->held : n;
        memcpy(u->page + u->held, bytes, part);
        u->held += part;
        bytes += part;
        n -= part;
        if (u->held == CORE_PAGE && !put_page(u)) return false;
    }
    return true;
}

/* Nothing more is written of what turns out to be no core. */
static bool may_be_core(struct unpacking *u) {
    return u->written == 0 || u->written > 64ul * CORE_PAGE || core_is_one(u->to, u->written);
}

static const char *unpack(struct unpacking *u, ZSTD_DStream *stream) {
    static char in[1 << 17], out[1 << 18];
    size_t left = 1;
    while (u->at < u->size) {
        size_t n = u->size - u->at < sizeof in ? (size_t)(u->size - u->at) : sizeof in;
        if (!file_read(u->from, in, n, u->at)) return "cannot be read";
        u->at += n;
        progress_show("unpacking", u->at, u->size);
        for (ZSTD_inBuffer from = {in, n, 0}; from.pos < from.size;) {
            ZSTD_outBuffer to = {out, sizeof out, 0};
            left = ZSTD_decompressStream(stream, &to, &from);
            if (ZSTD_isError(left)) return "packed by zstd, and damaged";
            if (!put(u, out, to.pos)) return "there is no room to unpack it (TMPDIR)";
            if (!may_be_core(u)) return "packed by zstd, but no core";
        }
    }
    if (!put_page(u) || ftruncate(u->to, (off_t)u->written) != 0) return "there is no room to unpack it (TMPDIR)";
    if (core_is_one(u->to, u->written)) return NULL;
    return left ? "packed by zstd, and cut short" : "packed by zstd, but no core";
}

static int open_nameless(void) {
    const char *folder = getenv("TMPDIR");
    int fd = open(folder && *folder ? folder : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || errno != EOPNOTSUPP) return fd;
    char *path = memory_format("%s/weir.XXXXXX", folder && *folder ? folder : "/var/tmp");
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) (void)unlink(path);
    free(path);
    return fd;
}

int core_unpack(int fd, uint64_t *size, const char **why) {
    struct unpacking *u = memory_get(1, sizeof *u);
    ZSTD_DStream *stream = ZSTD_createDStream();
    u->from = fd;
    u->size = *size;
    u->to = open_nameless();
    *why = !stream || u->to < 0 ? "there is no room to unpack it (TMPDIR)" : unpack(u, stream);
    int to = u->to;
    *size = u->written;
    if (*why && to >= 0) {
        (void)close(to);
        to = -1;
    }
    (void)ZSTD_freeDStream(stream);
    free(u);
    return to;
}
