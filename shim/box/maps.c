/* Reading /proc/self/maps, a byte at a time; see maps.h. A line: START-END PERMISSIONS OFFSET DEVICE INODE   PATH */
#include "shim/box/maps.h"
#include "shim/base/sys.h"

#include <fcntl.h>

struct reader {
    long fd;
    long at, end;
    char bytes[2048];
};
static struct reader reader; /* not on the stack, which may be small */

static int next_byte(struct reader *r) {
    if (r->at == r->end) {
        r->at = 0;
        r->end = sys3(SYS_read, r->fd, (long)r->bytes, sizeof r->bytes);
        if (r->end <= 0) {
            r->end = 0;
            return -1;
        }
    }
    return (unsigned char)r->bytes[r->at++];
}

/* The number in base 16 that comes next, and whatever ends it. */
static uintptr_t next_number(struct reader *r, int *ended_by) {
    uintptr_t n = 0;
    for (;;) {
        int c = *ended_by = next_byte(r);
        if (c >= '0' && c <= '9')
            n = n << 4 | (uintptr_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            n = n << 4 | (uintptr_t)(c - 'a' + 10);
        else
            return n;
    }
}

/* The rest of a line from its first slash on; no other field has one. */
static size_t next_path(struct reader *r, char *path, size_t size) {
    size_t n = 0;
    for (int c; (c = next_byte(r)) != '\n' && c >= 0;)
        if ((n > 0 || c == '/') && n < size - 1) path[n++] = (char)c;
    path[n] = 0;
    return n;
}

/* A file that was unlinked since is named by the name that it had. */
static void drop_suffix(char *path, size_t length) {
    static const char suffix[] = " (deleted)";
    size_t n = sizeof suffix - 1;
    if (length > n && mem_equal(path + length - n, suffix, n)) path[length - n] = 0;
}

bool maps_path(uintptr_t address, char *path, size_t size) {
    size_t length = 0;
    int ended_by;
    reader.fd = sys4(SYS_openat, AT_FDCWD, (long)"/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    if (sys_failed(reader.fd)) return false;
    reader.at = reader.end = 0;
    for (;;) {
        uintptr_t start = next_number(&reader, &ended_by);
        if (ended_by != '-') break; /* the end of the file */
        uintptr_t end = next_number(&reader, &ended_by);
        length = next_path(&reader, path, size);
        if (address >= start && address < end) break;
        length = 0;
    }
    (void)sys1(SYS_close, reader.fd);
    drop_suffix(path, length);
    return length > 0;
}
