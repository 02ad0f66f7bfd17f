/* See live_file.h. Descriptors are open for a moment only: the program may close any. */
#include "shim/box/live_file.h"
#include "shim/base/options.h"
#include "shim/base/start.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/dump.h"
#include "shim/box/format_box.h"
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
#define EFBIG_    27
#define ROOM      (4 * MIB) /* is left to others of a file system, or a quarter of it */
#define NAMES_MAX 20        /* boxes that killed processes of the same number have left */

char live_file_path[1200];
static bool tidy; /* its folder goes too when it is empty: it lies among the user's own files */
static uint64_t inode, device;
static _Atomic bool said;

static void add_path(struct text *t, const char *folder, const char *between, uint64_t number) {
    text_add_bytes(t, folder, min_size(str_length(folder), 960));
    text_add(t, between);
    text_add_number(t, number);
}

/* As libc does it: filters know that. */
static bool look_at(long fd, struct stat *s) {
    return sys4(SYS_newfstatat, fd, (long)"", (long)s, AT_EMPTY_PATH) == 0;
}

/* DIR/weir.UID, the user's own and nobody else's: a descriptor of it, or a negative errno. */
static long open_folder(const char *dir, struct text *t) {
    struct stat s;
    long user = sys0(SYS_geteuid), made = 0;
    if (sys_failed(user)) return user; /* a filter forbids to ask */
    add_path(t, dir, "/weir.", (uint64_t)user);
    const char *folder = text_string(t);
    long fd = sys4(SYS_openat, AT_FDCWD, (long)folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (sys_failed(fd)) {
        made = sys3(SYS_mkdirat, AT_FDCWD, (long)folder, 0700);
        fd = sys4(SYS_openat, AT_FDCWD, (long)folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    }
    if (sys_failed(fd)) return sys_failed(made) && made != -EEXIST_ ? made : fd;
    if (look_at(fd, &s) && s.st_uid == (uint32_t)user && (s.st_mode & 077) == 0) return fd;
    (void)sys1(SYS_close, fd);
    return -EACCES_;
}

/* The box of this very process before its exec, or of one of that number that has ended in order. */
static bool is_over(long folder, const char *name, uint32_t pid) {
    struct box_header h;
    long fd = sys4(SYS_openat, folder, (long)name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (sys_failed(fd)) return false;
    bool over = sys4(SYS_pread64, fd, (long)&h, sizeof h, 0) == sizeof h &&
                mem_equal((const unsigned char *)h.magic, (const unsigned char *)BOX_MAGIC, sizeof h.magic) &&
                h.process.pid == pid && h.ended == BOX_ENDED;
    (void)sys1(SYS_close, fd);
    return over;
}

/* A name that nobody has: boxes of what was killed are evidence, and stay. */
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
        const char *name = text_string(t) + length + 1;
        fd = sys4(SYS_openat, folder, (long)name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd != -EEXIST_ || !is_over(folder, name, pid)) continue;
        (void)sys3(SYS_unlinkat, folder, (long)name, 0);
        fd = sys4(SYS_openat, folder, (long)name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
    return fd;
}

/* The program, and others, may want to keep something there too: a quarter is left, and ROOM at least. */
static bool leaves_room(const struct statfs *fs) {
    uint64_t block = (uint64_t)fs->f_bsize, quarter = fs->f_blocks / 4 * block;
    return fs->f_blocks == 0 /* no limit */ || fs->f_bavail * block >= max_size(ROOM, quarter);
}

/* 0, or a negative errno. */
static long has_room(long fd, size_t size) {
    struct statfs fs;
    struct rlimit64 limit;
    if (sys4(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit) == 0 && limit.rlim_cur < size) return -EFBIG_;
    return sys2(SYS_fstatfs, fd, (long)&fs) == 0 && leaves_room(&fs) ? 0 : -ENOSPC_;
}

/* An empty file in the folder, of which the path is noted: its descriptor, or a negative errno. */
static long make_in(const char *dir, size_t size, uint32_t pid) {
    struct text t = {0};
    struct stat s;
    long folder = open_folder(dir, &t);
    if (sys_failed(folder)) return folder;
    long fd = create(folder, &t, pid);
    (void)sys1(SYS_close, folder);
    if (sys_failed(fd)) return fd;
    mem_copy(live_file_path, text_string(&t), min_size(t.length + 1, sizeof live_file_path));
    long r = has_room(fd, size);
    if (r == 0) r = sys2(SYS_ftruncate, fd, (long)size);
    if (r == 0 && look_at(fd, &s)) {
        inode = s.st_ino;
        device = s.st_dev;
        return fd;
    }
    inode = 0;
    (void)sys1(SYS_close, fd);
    live_file_remove();
    return r;
}

/* Where the program wants all that it gets to be locked: as it is touched, and not all at once. */
static bool map(long fd, char *at, size_t size) {
    int now = reserve_locks ? PROT_NONE : PROT_READ | PROT_WRITE;
    long r = sys6(SYS_mmap, (long)at, (long)size, now, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0);
    (void)sys1(SYS_close, fd);
    bool mapped = !sys_failed(r);
    if (mapped && reserve_locks) {
        (void)sys_lock_touched(at, size);
        mapped = sys_mprotect(at, size, PROT_READ | PROT_WRITE);
    }
    if (!mapped) live_file_remove();
    return mapped;
}

/* `elsewhere`: it lies in another folder. */
static void complain(const char *dir, long error, bool elsewhere) {
    struct text t = {0};
    if (atomic_exchange_explicit(&said, true, memory_order_relaxed)) return;
    text_add(&t, "weir: no box can be made in ");
    text_add_bytes(&t, dir, min_size(str_length(dir), 600));
    text_add(&t, ": ");
    dump_add_error(&t, error);
    text_add(&t, elsewhere ? "; it is " : "; after a kill nothing will be known");
    if (elsewhere) text_add_bytes(&t, live_file_path, min_size(str_length(live_file_path), 600));
    message_send(&t);
}

static long make_somewhere(size_t size, uint32_t pid) {
    char dumps[1024];
    const char *own = start_variable("XDG_RUNTIME_DIR");
    const char *folders[] = {options.box_dir, own && *own == '/' ? own : NULL, "/dev/shm",
                             output_folder(dumps, sizeof dumps) ? dumps : NULL};
    long fd = -ENOSPC_, first = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        if (!folders[i]) continue;
        tidy = i == ARRAY_LENGTH(folders) - 1;
        fd = make_in(folders[i], size, pid);
        if (i == 0) first = fd;
        if (!sys_failed(fd)) break;
    }
    if (sys_failed(first)) complain(options.box_dir, first, !sys_failed(fd));
    return fd;
}

bool live_file_make(char *at, size_t size, uint32_t pid) {
    long fd = make_somewhere(size, pid);
    return !sys_failed(fd) && map(fd, at, size);
}

/* As long as the name leads to it. */
static long fallocate_by_name(size_t offset, size_t n) {
    struct stat s;
    long fd = sys4(SYS_openat, AT_FDCWD, (long)live_file_path, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0), r = -EINVAL_;
    if (sys_failed(fd)) return fd;
    if (look_at(fd, &s) && s.st_ino == inode && s.st_dev == device)
        r = sys4(SYS_fallocate, fd, 0, (long)offset, (long)n);
    (void)sys1(SYS_close, fd);
    return r;
}

/* Kernels before 5.14 cannot make pages without writing to them, which a full file system answers by SIGBUS. */
bool live_file_fill(char *at, size_t offset, size_t n) {
    struct statfs fs;
    if (sys2(SYS_statfs, (long)live_file_path, (long)&fs) == 0 && !leaves_room(&fs)) return false;
    long r = sys3(SYS_madvise, (long)at, (long)n, MADV_POPULATE_WRITE);
    return r == 0 || (r == -EINVAL_ && fallocate_by_name(offset, n) == 0);
}

uint64_t live_file_inode(void) {
    return inode;
}

void live_file_remove(void) {
    struct stat s;
    if (!live_file_path[0]) return;
    bool other = inode && sys4(SYS_newfstatat, AT_FDCWD, (long)live_file_path, (long)&s, AT_SYMLINK_NOFOLLOW) == 0 &&
                 (s.st_ino != inode || s.st_dev != device);
    if (!other) (void)sys3(SYS_unlinkat, AT_FDCWD, (long)live_file_path, 0);
    size_t slash = str_length(live_file_path);
    while (slash > 0 && live_file_path[slash] != '/') slash--;
    live_file_path[slash] = 0;
    if (tidy)
        (void)sys3(SYS_unlinkat, AT_FDCWD, (long)live_file_path, AT_REMOVEDIR); /* where another's box is, it stays */
    live_file_path[0] = 0;
}

void live_file_say_none(void) {
    struct text t = {0};
    if (filter_any || atomic_exchange_explicit(&said, true, memory_order_relaxed)) return;
    text_add(&t, "weir: no box can be made: the ceiling, or the file system of ");
    text_add_bytes(&t, live_file_path, min_size(str_length(live_file_path), 600));
    text_add(&t, ", has no room for it; after a kill nothing will be known");
    message_send(&t);
}

void live_file_say_full(void) {
    struct text t = {0};
    if (filter_any) return; /* one of the program's may be why, of which something was said */
    if (atomic_exchange_explicit(&said, true, memory_order_relaxed)) return;
    text_add(&t, "weir: the box is full (WEIR_BOX_MAX, or the file system of ");
    text_add_bytes(&t, live_file_path, min_size(str_length(live_file_path), 600));
    text_add(&t, "): after a kill some sites will be missing");
    message_send(&t);
}
