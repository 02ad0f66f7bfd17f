/* See jit.h. The map is read twice: first all of it, for which lines cover an address that is wanted; then these lines
 * again, each of which must still say what it said. */
#include "shim/box/jit.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/perfmap.h"

#include <fcntl.h>
#include <sys/stat.h>

#define ADDRESSES_LEAST ((size_t)4096)
#define ADDRESSES_MOST  ((size_t)1 << 18)
#define NAMES_MOST      (16 * MIB) /* bytes of all names */
#define SECOND          1000000000u

static void *map(size_t n) {
    return sys_mmap(NULL, round_up(n, PAGE), PROT_READ | PROT_WRITE, MAP_NORESERVE);
}
static void unmap(void *p, size_t n) {
    if (p) sys_munmap(p, round_up(n, PAGE));
}

/* --- addresses --- */

static bool put(uint64_t *table, size_t size, uint64_t address) {
    size_t at = (address * 0x9e3779b97f4a7c15u) >> 20 & (size - 1);
    while (table[at] && table[at] != address) at = (at + 1) & (size - 1);
    bool is_new = table[at] == 0;
    table[at] = address;
    return is_new;
}

/* Half of the table is free at least. */
static bool make_room(struct jit *j) {
    if (2 * (j->count + 1) <= j->size) return true;
    size_t size = j->size ? 2 * j->size : ADDRESSES_LEAST;
    uint64_t *larger = size / 2 <= ADDRESSES_MOST ? map(size * sizeof *larger) : NULL;
    if (!larger) return false;
    for (size_t i = 0; i < j->size; i++)
        if (j->addresses[i]) put(larger, size, j->addresses[i]);
    unmap(j->addresses, j->size * sizeof *larger);
    j->addresses = larger;
    j->size = size;
    return true;
}

void jit_note(struct jit *j, const uint64_t *frames, uint32_t count, uint64_t exact) {
    for (uint32_t i = 0; i < count && !j->full; i++) {
        if (DUMP_FRAME_MODULE(frames[i]) != DUMP_NO_MODULE) continue;
        bool is_exact = i < 64 && (exact >> i & 1);
        uint64_t address = DUMP_FRAME_OFFSET(frames[i]) - !is_exact;
        if (!make_room(j))
            j->full = true;
        else if (address + 1 > 1)
            j->count += put(j->addresses, j->size, address);
    }
}

/* --- the map --- */

/* A program of several namespaces calls itself by its innermost number, and its files likewise. */
static void name_map(struct text *path, uint32_t pid) {
    text_add(path, "/tmp/perf-");
    text_add_number(path, pid);
    text_add(path, ".map");
}

/* Times of files are some ms behind, or whole seconds. */
static uint64_t last_written(const struct stat *s) {
    uint64_t ns = (uint64_t)s->st_mtim.tv_nsec;
    return (uint64_t)s->st_mtim.tv_sec * SECOND + (ns ? ns : SECOND - 1);
}

/* Anybody may put anything there. */
static enum dump_jit_map open_map(const char *path, uint64_t since, long *fd, uint64_t *time) {
    struct stat s;
    *fd = sys4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
    if (*fd == -2 /* ENOENT */) return JIT_MAP_NONE;
    if (*fd == -40 /* ELOOP */) return JIT_MAP_FOREIGN;
    if (sys_failed(*fd) || sys2(SYS_fstat, *fd, (long)&s) != 0) return JIT_MAP_FAILED;
    if (!S_ISREG(s.st_mode) || (s.st_uid != 0 && s.st_uid != (uid_t)sys0(SYS_geteuid))) return JIT_MAP_FOREIGN;
    *time = last_written(&s);
    if (*time + DUMP_JIT_MAP_BEHIND < since) return JIT_MAP_OLD;
    return (uint64_t)s.st_size > DUMP_JIT_MAP_MOST ? JIT_MAP_LARGE : JIT_MAP_READ;
}

/* Bytes at a place; their number, below 0: an error. */
static long read_at(long fd, char *to, size_t n, uint64_t at) {
    long got;
    do got = sys4(SYS_pread64, fd, (long)to, (long)n, (long)at);
    while (got == -4 /* EINTR */);
    return got;
}

#define BUFFER (128 * KIB)
static enum dump_jit_map read_map(struct perfmap *m, long fd, char *buffer) {
    uint64_t offset = 0; /* of the buffer's first byte */
    size_t have = 0;
    for (long got; (got = read_at(fd, buffer + have, BUFFER - have, offset + have)) != 0;) {
        if (got < 0) return JIT_MAP_FAILED;
        have += (size_t)got;
        size_t taken = perfmap_take(m, buffer, have, offset);
        if (perfmap_is_exhausted(m) || offset > DUMP_JIT_MAP_MOST) return JIT_MAP_LARGE;
        for (size_t i = taken; i < have; i++) buffer[i - taken] = buffer[i];
        have -= taken;
        offset += taken;
    }
    return JIT_MAP_READ;
}

/* --- the section --- */

/* False: it is not what it was, or there is no room. */
static bool write_line(struct contents *c, const struct perfmap_address *a, bool reused, long fd, char *buffer) {
    long got = read_at(fd, buffer, PERFMAP_LINE_MOST, a->line - 1);
    const char *end = buffer, *name;
    struct dump_jit d = {.flags = reused ? DUMP_JIT_REUSED : 0};
    while (end < buffer + got && *end != '\n') end++;
    if (got <= 0 || end == buffer + got || !dump_jit_line(buffer, end, &d.start, &d.size, &name)) return false;
    size_t length = perfmap_name_length(name, end);
    if (a->address - d.start >= d.size || mem_hash(name, length) != a->hash) return false;
    d.name = contents_string(c, name, length);
    if (d.name.length != length) return false;
    writer_add(&c->w, &d, sizeof d);
    return true;
}

static void write_lines(struct contents *c, struct perfmap *m, long fd, char *buffer) {
    size_t names = c->strings_length;
    perfmap_by_line(m);
    for (size_t i = 0, end; i < m->count && c->strings_length - names < NAMES_MOST; i = end) {
        bool reused = false;
        for (end = i; end < m->count && m->addresses[end].line == m->addresses[i].line; end++)
            reused = reused || m->addresses[end].reused;
        if (m->addresses[i].line) (void)write_line(c, &m->addresses[i], reused, fd, buffer);
    }
}

static void fill(struct perfmap *m, const struct jit *j) {
    for (size_t i = 0; i < j->size; i++)
        if (j->addresses[i]) m->addresses[m->count++] = (struct perfmap_address){.address = j->addresses[i]};
    perfmap_begin(m);
}

static void write_records(struct jit *j, struct contents *c, uint64_t since) {
    struct text path = {0};
    struct dump_jit about = {0};
    long fd;
    name_map(&path, c->pid);
    enum dump_jit_map state = open_map(text_string(&path), since, &fd, &about.start);
    size_t room = BUFFER + j->count * sizeof(struct perfmap_address);
    char *buffer = state == JIT_MAP_READ ? map(room) : NULL;
    struct perfmap m = {.addresses = (void *)(buffer + BUFFER)};
    if (buffer) {
        fill(&m, j);
        state = read_map(&m, fd, buffer);
    } else if (state == JIT_MAP_READ) {
        state = JIT_MAP_FAILED;
    }
    about.flags = state;
    about.name = contents_string(c, text_string(&path), str_length(text_string(&path)));
    writer_add(&c->w, &about, sizeof about);
    if (state == JIT_MAP_READ) write_lines(c, &m, fd, buffer);
    unmap(buffer, room);
    if (!sys_failed(fd)) (void)sys1(SYS_close, fd);
}

void jit_write(struct jit *j, struct contents *c, uint64_t since) {
    writer_begin(&c->w, DUMP_JIT, sizeof(struct dump_jit));
    if (j->count) write_records(j, c, since);
    writer_end(&c->w);
    unmap(j->addresses, j->size * sizeof *j->addresses);
}
