/* Reading /proc/self/maps, a byte at a time; see mapping.h. A line: START-END PERMISSIONS OFFSET DEVICE INODE   PATH */
#include "shim/base/mapping.h"
#include "shim/base/sys.h"

#include <fcntl.h>

static int next_byte(struct mapping_reader *r) {
    if (r->at == r->end) {
        r->at = 0;
        r->end = sys3(SYS_read, r->fd, (long)r->bytes, sizeof r->bytes);
        if (r->end <= 0) {
            r->failed |= r->end < 0;
            r->end = 0;
            return -1;
        }
    }
    return (unsigned char)r->bytes[r->at++];
}

/* The number in base 16 that comes next, and whatever ends it. */
static uintptr_t next_number(struct mapping_reader *r, int *ended_by) {
    uintptr_t n = 0;
    for (;;) {
        int digit = hex_digit(*ended_by = next_byte(r));
        if (digit < 0) return n;
        n = n << 4 | (uintptr_t)digit;
    }
}

static void skip_field(struct mapping_reader *r) {
    for (int c; (c = next_byte(r)) != ' ' && c >= 0;) {
    }
}

/* The rest of a line from its first slash or bracket on; no other field has one. */
static void next_path(struct mapping_reader *r, char *path, size_t size) {
    size_t n = 0;
    for (int c; (c = next_byte(r)) != '\n' && c >= 0;)
        if (path && (n > 0 || c == '/' || c == '[') && n < size - 1) path[n++] = (char)c;
    if (path) path[n] = 0;
}

bool mapping_open_of(struct mapping_reader *r, const char *path) {
    r->fd = sys4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0);
    r->at = r->end = 0;
    r->failed = false;
    return !sys_failed(r->fd);
}
bool mapping_open(struct mapping_reader *r) {
    return mapping_open_of(r, "/proc/self/maps");
}

bool mapping_next(struct mapping_reader *r, struct mapping *m, char *path, size_t size) {
    int ended_by;
    m->start = next_number(r, &ended_by);
    if (ended_by != '-') return false; /* the end of the file */
    m->end = next_number(r, &ended_by);
    m->readable = next_byte(r) == 'r';
    m->writable = next_byte(r) == 'w';
    m->executable = next_byte(r) == 'x';
    m->shared = next_byte(r) == 's';
    (void)next_byte(r);
    m->offset = next_number(r, &ended_by);
    skip_field(r);
    m->of_file = next_byte(r) != '0';
    next_path(r, path, size);
    return true;
}

void mapping_close(struct mapping_reader *r) {
    (void)sys1(SYS_close, r->fd);
}

/* A file that was unlinked since is named by the name that it had. */
static void drop_suffix(char *path) {
    static const char suffix[] = " (deleted)";
    size_t length = str_length(path), n = sizeof suffix - 1;
    if (length > n && mem_equal(path + length - n, suffix, n)) path[length - n] = 0;
}

bool mapping_path(uintptr_t address, char *path, size_t size) {
    static struct mapping_reader reader; /* not on the stack, which may be small */
    struct mapping m;
    bool found = false;
    if (!mapping_open(&reader)) return false;
    while (!found && mapping_next(&reader, &m, path, size)) found = address >= m.start && address < m.end;
    mapping_close(&reader);
    if (!found) return false;
    drop_suffix(path);
    return *path == '/'; /* not a name of the kernel's */
}
