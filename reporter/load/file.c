/* Opening and reading files; see file.h for what may be opened. */
#include "reporter/load/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *not_regular(mode_t mode) {
    if (S_ISDIR(mode)) return "is a folder, not a file";
    if (S_ISFIFO(mode)) return "is a FIFO, not a file";
    if (S_ISSOCK(mode)) return "is a socket, not a file";
    if (S_ISREG(mode)) return NULL;
    return "is a device, not a file";
}

/* The type is asked for before the opening, because opening a device may do something, and again after it, because
 * the name may have changed hands in between. */
int file_open(const char *path, uint64_t *size, const char **why) {
    struct stat status;
    if (stat(path, &status) != 0) {
        *why = strerror(errno);
        return -1;
    }
    if ((*why = not_regular(status.st_mode)) != NULL) return -1;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) != 0) {
        *why = strerror(errno);
        if (fd >= 0) (void)close(fd);
        return -1;
    }
    if ((*why = not_regular(status.st_mode)) != NULL) {
        (void)close(fd);
        return -1;
    }
    *size = (uint64_t)status.st_size;
    return fd;
}

bool file_read(int fd, void *to, size_t length, uint64_t offset) {
    char *at = to;
    while (length) {
        ssize_t got = pread(fd, at, length, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += got;
        offset += (uint64_t)got;
        length -= (size_t)got;
    }
    return true;
}

const char *file_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
