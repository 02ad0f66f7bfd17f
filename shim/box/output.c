/* File names and opening; see output.h. */
#include "shim/box/output.h"
#include "shim/base/clock.h"
#include "shim/base/options.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/stat.h>

#define DESCRIPTOR_MIN 128 /* out of the way of the program's own; lower where the limit is lower */
#define NUMBER_MAX     (1u << 30)
#define RACES_MAX      100 /* times that another process takes the number that was free */
#define ENOENT_        2
#define EEXIST_        17
#define EINVAL_        22
#define ENOSYS_        38
#define OPEN_FLAGS     (O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW)

static char folder[2048];
char output_name[256] = "unknown";

void output_start(const char *program) {
    const char *base = path_base(program);
    size_t n = min_size(str_length(base), sizeof output_name - 1);
    mem_copy(output_name, base, n);
    output_name[n] = 0;
    if (options.output[0] != '/' && sys_failed(sys2(SYS_getcwd, (long)folder, sizeof folder))) folder[0] = 0;
}

const char *output_program(void) {
    return output_name;
}

bool output_folder(char *to, size_t size) {
    size_t n = 0, slash = 0;
    if (options.output[0] != '/' && !folder[0]) return false;
    for (const char *s = options.output[0] == '/' ? "" : folder; *s && n < size - 2; s++) to[n++] = *s;
    if (n > 0) to[slash = n++] = '/';
    for (const char *s = options.output; *s && n < size - 1; s++) {
        if (*s == '%') break;
        if (*s == '/') slash = n;
        to[n++] = *s;
    }
    to[slash] = 0;
    return slash > 0 && n < size - 1;
}

struct path {
    char *at;
    size_t length;
};

static void add(struct path *p, const char *s) {
    for (; *s && p->length < OUTPUT_PATH_MAX - 1; s++) p->at[p->length++] = *s;
    p->at[p->length] = 0;
}

static void add_number(struct path *p, uint64_t n) {
    struct text t = {0};
    text_add_number(&t, n);
    add(p, text_string(&t));
}

/* The program's name as part of a file name: no slash, no control character. */
static void add_name(struct path *p) {
    for (const char *s = output_name; *s; s++) {
        char c[2] = {*s, 0};
        if (*s == '/' || (unsigned char)*s < 0x20) c[0] = '_';
        add(p, c);
    }
}

static void expand(struct path *p, uint32_t pid, uint64_t number, unsigned attempt) {
    const char *template = options.output;
    size_t length = str_length(template);
    bool has_suffix = length > 5 && str_equal(template + length - 5, ".dump");
    if (template[0] != '/' && folder[0]) {
        add(p, folder);
        if (folder[1]) add(p, "/"); /* in the root it ends with one */
    }
    for (size_t i = 0; i < length; i++) {
        if (attempt > 1 && has_suffix && i == length - 5) {
            add(p, ".");
            add_number(p, attempt);
        }
        char c[2] = {template[i], 0};
        if (c[0] != '%') {
            add(p, c);
            continue;
        }
        switch (template[++i]) {
        case 'e':
            add_name(p);
            break;
        case 'p':
            add_number(p, pid);
            break;
        case 'n':
            add_number(p, number);
            break;
        case 't':
            add_number(p, clock_realtime() / 1000000000u);
            break;
        default:
            add(p, "%");
        }
    }
    if (attempt > 1 && !has_suffix) {
        add(p, ".");
        add_number(p, attempt);
    }
}

static bool is_taken(char path[OUTPUT_PATH_MAX], uint32_t pid, uint64_t number, unsigned attempt) {
    struct stat ignored;
    struct path p = {path, 0};
    expand(&p, pid, number, attempt);
    return !sys_failed(sys4(SYS_newfstatat, AT_FDCWD, (long)path, (long)&ignored, AT_SYMLINK_NOFOLLOW));
}

/* The number behind the last one that is taken, by doubling and halving: a name without %p may have served for years.
 */
static unsigned next_free(char path[OUTPUT_PATH_MAX], uint32_t pid, uint64_t number) {
    unsigned taken = 1, is_free = 2;
    for (; is_free < NUMBER_MAX && is_taken(path, pid, number, is_free); is_free *= 2) taken = is_free;
    while (is_free - taken > 1) {
        unsigned middle = taken + (is_free - taken) / 2;
        if (is_taken(path, pid, number, middle))
            taken = middle;
        else
            is_free = middle;
    }
    return is_free;
}

/* Only the one that writes uses it, or a copy of the process, which has its own. */
static char part[OUTPUT_PATH_MAX + 8];

static void name_part(const char *path) {
    size_t n = str_length(path);
    mem_copy(part, path, n);
    mem_copy(part + n, ".part", 6);
}

/* The folder that `weir run` made is gone when it has ended; what outlives it, a daemon, makes it again. */
static bool make_folder_of_run(void) {
    size_t slash = 0;
    for (size_t i = 0; part[i]; i++)
        if (part[i] == '/') slash = i;
    if (!options.run || slash == 0) return false;
    part[slash] = 0;
    bool made = !sys_failed(sys3(SYS_mkdirat, AT_FDCWD, (long)part, 0777));
    part[slash] = '/';
    return made;
}

static long open_part(void) {
    long fd = sys4(SYS_openat, AT_FDCWD, (long)part, OPEN_FLAGS, 0600);
    if (fd == -ENOENT_ && make_folder_of_run()) fd = sys4(SYS_openat, AT_FDCWD, (long)part, OPEN_FLAGS, 0600);
    return fd;
}

static long move_up(long fd) {
    for (int least = DESCRIPTOR_MIN; least >= 10; least /= 2) {
        long high = sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, least);
        if (sys_failed(high)) continue;
        (void)sys1(SYS_close, fd);
        return high;
    }
    return fd;
}

bool output_is_permitted(void) {
    return FILTER_ALLOWS(SYS_openat, AT_FDCWD, 0, OPEN_FLAGS) && FILTER_ALLOWS(SYS_pwrite64, DESCRIPTOR_MIN, 0, 0) &&
           FILTER_ALLOWS(SYS_close, DESCRIPTOR_MIN, 0, 0) && FILTER_ALLOWS(SYS_renameat2, AT_FDCWD, 0, AT_FDCWD) &&
           FILTER_ALLOWS(SYS_unlinkat, AT_FDCWD, 0, 0);
}

void output_open(struct output *o, char path[OUTPUT_PATH_MAX], uint32_t pid, uint64_t number) {
    *o = (struct output){path, pid, number, 1, -EEXIST_};
    for (unsigned races = 0; o->fd == -EEXIST_ && races <= RACES_MAX; races++) {
        struct path p = {path, 0};
        if (is_taken(path, pid, number, o->attempt)) o->attempt = next_free(path, pid, number);
        p.length = 0;
        expand(&p, pid, number, o->attempt);
        name_part(path);
        o->fd = open_part();
        if (o->fd == -EEXIST_) o->attempt++; /* somebody writes it just now */
    }
    if (sys_failed(o->fd)) return;
    (void)sys2(SYS_flock, o->fd, LOCK_EX | LOCK_NB); /* tells `weir run` that it is not left over */
    o->fd = move_up(o->fd);
}

/* Never over what is there. File systems that cannot rename so may know links. */
static long rename_part(const char *path) {
    long r = sys5(SYS_renameat2, AT_FDCWD, (long)part, AT_FDCWD, (long)path, RENAME_NOREPLACE);
    if (r != -EINVAL_ && r != -ENOSYS_) return r;
    r = sys5(SYS_linkat, AT_FDCWD, (long)part, AT_FDCWD, (long)path, 0);
    if (r == 0) (void)sys3(SYS_unlinkat, AT_FDCWD, (long)part, 0);
    return r == 0 || r == -EEXIST_ ? r : sys2(SYS_rename, (long)part, (long)path);
}

long output_keep(struct output *o) {
    long r = -EEXIST_;
    for (unsigned races = 0; r == -EEXIST_ && races <= RACES_MAX; races++) {
        struct path p = {o->path, 0};
        expand(&p, o->pid, o->number, o->attempt);
        r = rename_part(o->path);
        if (r == -EEXIST_) o->attempt = next_free(o->path, o->pid, o->number);
    }
    (void)sys1(SYS_close, o->fd);
    if (sys_failed(r)) (void)sys3(SYS_unlinkat, AT_FDCWD, (long)part, 0);
    return r;
}

void output_drop(struct output *o) {
    (void)sys1(SYS_close, o->fd);
    (void)sys3(SYS_unlinkat, AT_FDCWD, (long)part, 0);
}
