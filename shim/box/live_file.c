/* See live_file.h. Descriptors are open for a moment only: the program may close any. */
#include "shim/box/live_file.h"
#include "shim/base/options.h"
#include "shim/base/start.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/dump.h"
#include "shim/box/output.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#ifndef MADV_POPULATE_WRITE
#    define MADV_POPULATE_WRITE 23
#endif
#define EEXIST_   17
#define EINVAL_   22
#define ENOSPC_   28
#define EACCES_   13
#define ROOM      (4 * MIB) /* a file system with less is left alone */
#define NAMES_MAX 100       /* boxes that killed processes of the same number have left */

static char path[1200]; /* of the file, absolute; empty: there is none */
static bool tidy;       /* its folder goes too when it is empty: it lies among the user's own files */
static uint64_t inode, device;
static _Atomic bool said;

static void add_path(struct text *t, const char *folder, const char *between, uint64_t number) {
    text_add_bytes(t, folder, min_size(str_length(folder), 960));
    text_add(t, between);
    text_add_number(t, number);
}

/* DIR/weir.UID, the user's own and nobody else's: a descriptor of it, or a negative errno. */
static long open_folder(const char *dir, struct text *t) {
    struct stat s;
    uint32_t user = (uint32_t)sys0(SYS_geteuid);
    add_path(t, dir, "/weir.", user);
    const char *folder = text_string(t);
    long fd = sys4(SYS_openat, AT_FDCWD, (long)folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (sys_failed(fd)) {
        (void)sys3(SYS_mkdirat, AT_FDCWD, (long)folder, 0700);
        fd = sys4(SYS_openat, AT_FDCWD, (long)folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    }
    if (sys_failed(fd)) return fd;
    if (sys2(SYS_fstat, fd, (long)&s) == 0 && s.st_uid == user && (s.st_mode & 077) == 0) return fd;
    (void)sys1(SYS_close, fd);
    return -EACCES_;
}

/* A name that nobody has: left over boxes are evidence, and stay. */
static long create(long folder, struct text *t, uint32_t pid) {
    size_t length = t->length;
    long fd = -EEXIST_;
    for (unsigned i = 1; fd == -EEXIST_ && i <= NAMES_MAX; i++) {
        t->length = length;
        text_add(t, "/weir.");
        text_add_number(t, pid);
        if (i > 1) {
            text_add(t, ".");
            text_add_number(t, i);
        }
        text_add(t, ".box");
        fd = sys4(SYS_openat, folder, (long)text_string(t) + (long)length + 1,
                  O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
    return fd;
}

static bool has_room(long fd, size_t size) {
    struct statfs fs;
    struct rlimit64 limit;
    bool fits = sys4(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit) == 0 && limit.rlim_cur >= size;
    return fits && sys2(SYS_fstatfs, fd, (long)&fs) == 0 && (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize >= ROOM;
}

/* An empty file in the folder, of which the path is noted: its descriptor, or a negative errno. */
static long make_in(const char *dir, size_t size, uint32_t pid) {
    struct text t = {0};
    struct stat s;
    long folder = open_folder(dir, &t);
    if (sys_failed(folder)) return folder;
    long fd = create(folder, &t, pid), r = -ENOSPC_;
    (void)sys1(SYS_close, folder);
    if (sys_failed(fd)) return fd;
    mem_copy(path, text_string(&t), min_size(t.length + 1, sizeof path));
    if (has_room(fd, size)) r = sys2(SYS_ftruncate, fd, (long)size);
    if (r == 0) r = sys2(SYS_fstat, fd, (long)&s);
    if (r == 0) {
        inode = s.st_ino;
        device = s.st_dev;
        return fd;
    }
    (void)sys1(SYS_close, fd);
    live_file_remove();
    return r;
}

static bool map(long fd, char *at, size_t size) {
    long r =
        sys6(SYS_mmap, (long)at, (long)size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0);
    (void)sys1(SYS_close, fd);
    if (sys_failed(r)) live_file_remove();
    return !sys_failed(r);
}

static void complain(const char *dir, long error) {
    struct text t = {0};
    if (atomic_exchange_explicit(&said, true, memory_order_relaxed)) return;
    text_add(&t, "weir: no box can be made in ");
    text_add_bytes(&t, dir, min_size(str_length(dir), 600));
    text_add(&t, ": ");
    dump_add_error(&t, error);
    text_add(&t, "; after a kill nothing will be known");
    message_send(&t);
}

static long make_somewhere(size_t size, uint32_t pid) {
    char dumps[1024];
    const char *own = start_variable("XDG_RUNTIME_DIR");
    const char *folders[] = {options.box_dir, own && *own == '/' ? own : NULL, "/dev/shm",
                             output_folder(dumps, sizeof dumps) ? dumps : NULL};
    long fd = -ENOSPC_;
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        if (!folders[i]) continue;
        tidy = i == ARRAY_LENGTH(folders) - 1;
        fd = make_in(folders[i], size, pid);
        if (!sys_failed(fd)) return fd;
        if (i == 0) complain(options.box_dir, fd);
    }
    return fd;
}

bool live_file_make(char *at, size_t size, uint32_t pid) {
    long fd = make_somewhere(size, pid);
    return !sys_failed(fd) && map(fd, at, size);
}

void live_file_restore(char *at, size_t size, bool (*filled)(size_t step), size_t step, uint32_t pid) {
    long fd = make_somewhere(size, pid), r = 0;
    if (sys_failed(fd)) return;
    for (size_t i = 0; i < size / step && !sys_failed(r); i++)
        if (filled(i)) r = sys4(SYS_pwrite64, fd, (long)at + (long)(i * step), (long)step, (long)(i * step));
    if (!sys_failed(r)) {
        (void)map(fd, at, size);
        return;
    }
    (void)sys1(SYS_close, fd);
    live_file_remove();
}

/* As long as the name leads to it. */
static long fallocate_by_name(size_t offset, size_t n) {
    struct stat s;
    long fd = sys4(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0), r = -EINVAL_;
    if (sys_failed(fd)) return fd;
    if (sys2(SYS_fstat, fd, (long)&s) == 0 && s.st_ino == inode && s.st_dev == device)
        r = sys4(SYS_fallocate, fd, 0, (long)offset, (long)n);
    (void)sys1(SYS_close, fd);
    return r;
}

/* Kernels before 5.14 cannot make pages without writing to them, which a full file system answers by SIGBUS. */
bool live_file_fill(char *at, size_t offset, size_t n) {
    long r = sys3(SYS_madvise, (long)at, (long)n, MADV_POPULATE_WRITE);
    return r == 0 || (r == -EINVAL_ && fallocate_by_name(offset, n) == 0);
}

uint64_t live_file_inode(void) {
    return inode;
}

void live_file_remove(void) {
    if (!path[0]) return;
    (void)sys3(SYS_unlinkat, AT_FDCWD, (long)path, 0);
    size_t slash = str_length(path);
    while (slash > 0 && path[slash] != '/') slash--;
    path[slash] = 0;
    if (tidy) (void)sys3(SYS_unlinkat, AT_FDCWD, (long)path, AT_REMOVEDIR); /* where another's box is, it stays */
    path[0] = 0;
}

void live_file_say_full(void) {
    struct text t = {0};
    if (filter_any) return; /* one of the program's may be why, of which something was said */
    if (atomic_exchange_explicit(&said, true, memory_order_relaxed)) return;
    text_add(&t, "weir: the box is full (WEIR_BOX_MAX, or ");
    text_add_bytes(&t, path, min_size(str_length(path), 600));
    text_add(&t, "): after a kill some sites will be missing");
    message_send(&t);
}
