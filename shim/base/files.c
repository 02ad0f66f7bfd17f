/* See files.h. */
#include "shim/base/files.h"
#include "shim/base/sys.h"

#include <fcntl.h>

long file_read(const char *path, char *to, size_t size) {
    long fd = sys4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0), n = 0;
    size_t have = 0;
    to[0] = 0;
    if (sys_failed(fd)) return fd;
    while (have < size - 1 && (n = sys3(SYS_read, fd, (long)(to + have), (long)(size - 1 - have))) > 0)
        have += (size_t)n;
    (void)sys1(SYS_close, fd);
    to[have] = 0;
    return n < 0 ? n : (long)have;
}

struct entry { /* as getdents64 gives it */
    uint64_t inode, offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

bool folder_each(const char *path, void (*see)(void *context, const char *name), void *context) {
    char bytes[1024] ALIGNED(8);
    long fd = sys4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), n;
    if (sys_failed(fd)) return false;
    while ((n = sys3(SYS_getdents64, fd, (long)bytes, sizeof bytes)) > 0) {
        for (long at = 0; at < n;) {
            const struct entry *e = (const void *)(bytes + at);
            at += e->length;
            see(context, e->name);
        }
    }
    (void)sys1(SYS_close, fd);
    return n == 0;
}

const char *line_after(const char *text, const char *name) {
    while (*text) {
        const char *found = str_after(text, name);
        if (found) return found;
        while (*text && *text++ != '\n') continue;
    }
    return NULL;
}
