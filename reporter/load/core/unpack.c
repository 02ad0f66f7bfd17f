/* See unpack.h. */
#include "reporter/load/core/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <lz4frame.h>
#include <signal.h>
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

/* --- what packs --- */

/* Bytes that are there, and room for more; how many of each were used. */
struct piece {
    const char *in;
    char *out;
    size_t length, room, read, written;
};

#define DAMAGED SIZE_MAX

/* 0: that was the end, unless more comes; DAMAGED. */
static size_t zstd_feed(void *state, struct piece *p) {
    ZSTD_inBuffer from = {p->in, p->length, 0};
    ZSTD_outBuffer to = {p->out, p->room, 0};
    size_t left = ZSTD_decompressStream(state, &to, &from);
    p->read = from.pos;
    p->written = to.pos;
    return ZSTD_isError(left) ? DAMAGED : left;
}
static void *zstd_begin(void) {
    ZSTD_DStream *stream = ZSTD_createDStream();
    /* As large as zstd --long=31 makes them: a core is large, too. */
    if (stream) (void)ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, 31);
    return stream;
}
static void zstd_end(void *state) {
    (void)ZSTD_freeDStream(state);
}

static size_t lz4_feed(void *state, struct piece *p) {
    p->read = p->length;
    p->written = p->room;
    size_t left = LZ4F_decompress(state, p->out, &p->written, p->in, &p->read, NULL);
    return LZ4F_isError(left) ? DAMAGED : left;
}
static void *lz4_begin(void) {
    LZ4F_dctx *state = NULL;
    return LZ4F_isError(LZ4F_createDecompressionContext(&state, LZ4F_VERSION)) ? NULL : state;
}
static void lz4_end(void *state) {
    (void)LZ4F_freeDecompressionContext(state);
}

static const struct packing {
    char magic[5];
    void *(*begin)(void);
    size_t (*feed)(void *state, struct piece *p);
    void (*end)(void *state);
    const char *damaged, *cut, *other;
} packings[] = {
    {"\x28\xb5\x2f\xfd", zstd_begin, zstd_feed, zstd_end, "packed by zstd, and damaged",
     "packed by zstd, and cut short", "packed by zstd, but no core"},
    {"\x04\x22\x4d\x18", lz4_begin, lz4_feed, lz4_end, "packed by lz4, and damaged", "packed by lz4, and cut short",
     "packed by lz4, but no core"},
};

/* Behind frames that both pass over: 0x184d2a50 to 5f, their length, that many bytes. */
#define SKIPPABLE      0x184d2a50u
#define SKIPPABLE_MOST 64

static const struct packing *packing_of(int fd, uint64_t size) {
    uint32_t begin[2] = {0}; /* the machine is little-endian, as these formats are */
    uint64_t at = 0;
    for (int i = 0; i < SKIPPABLE_MOST; i++) {
        if (size < at + sizeof begin || !file_read(fd, begin, sizeof begin, at)) return NULL;
        if ((begin[0] & ~15u) != SKIPPABLE) break;
        at += sizeof begin + begin[1];
    }
    for (size_t i = 0; i < sizeof packings / sizeof *packings; i++)
        if (memcmp(begin, packings[i].magic, sizeof *begin) == 0) return &packings[i];
    return NULL;
}

bool core_is_packed(int fd, uint64_t size) {
    return packing_of(fd, size) != NULL;
}

/* --- what comes out --- */

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

static const char no_room[] = "there is no room to unpack it (TMPDIR)";

/* NULL, or what was wrong; what there is of it may be a core all the same. */
static const char *unpack(struct unpacking *u, const struct packing *by, void *state) {
    static char in[1 << 17], out[1 << 18];
    size_t left = 1;
    while (u->at < u->size) {
        size_t n = u->size - u->at < sizeof in ? (size_t)(u->size - u->at) : sizeof in;
        if (!file_read(u->from, in, n, u->at)) return "cannot be read";
        u->at += n;
        progress_show("unpacking", u->at, u->size);
        struct piece p = {.in = in, .out = out, .length = n, .room = sizeof out};
        for (bool full = false; p.length > 0 || full; full = p.written == p.room) {
            left = by->feed(state, &p);
            if (left == DAMAGED || (p.read == 0 && p.written == 0 && p.length > 0)) return by->damaged;
            if (!put(u, out, p.written)) return no_room;
            if (!may_be_core(u)) return by->other;
            p.in += p.read;
            p.length -= p.read;
        }
    }
    return left ? by->cut : NULL;
}

static bool finish(struct unpacking *u, const struct packing *by, const char **why) {
    if (*why == no_room || *why == by->other) return false;
    if (!put_page(u) || ftruncate(u->to, (off_t)u->written) != 0) {
        *why = no_room;
        return false;
    }
    if (core_is_one(u->to, u->written)) return true;
    if (!*why) *why = by->other;
    return false;
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

int core_unpack(int fd, uint64_t *size, const char **why, bool *partial) {
    struct unpacking *u = memory_get(1, sizeof *u);
    const struct packing *by = packing_of(fd, *size);
    void *state = by ? by->begin() : NULL;
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is said in words */
    u->from = fd;
    u->size = *size;
    u->to = open_nameless();
    *why = !state || u->to < 0 ? no_room : unpack(u, by, state);
    int to = u->to;
    bool is_core = state && to >= 0 && finish(u, by, why);
    *partial = is_core && *why;
    *size = u->written;
    if (!is_core && to >= 0) {
        (void)close(to);
        to = -1;
    }
    if (before != SIG_ERR) (void)signal(SIGXFSZ, before);
    if (state) by->end(state);
    free(u);
    return to;
}
