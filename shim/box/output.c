/* File names and opening; see output.h. */
#include "shim/box/output.h"
#include "shim/base/clock.h"
#include "shim/base/options.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"

#include <fcntl.h>
#include <sys/stat.h>

#define DESCRIPTOR_MIN 128 /* out of the way of the program's own; lower where the limit is lower */
#define NUMBER_MAX     (1u << 30)
#define RACES_MAX      100 /* times that another process takes the number that was free */
#define EEXIST_        17

static char folder[2048];
static char name[256] = "unknown";

void output_start(const char *program) {
    const char *base = program;
    for (const char *p = program; *p; p++)
        if (*p == '/' && p[1]) base = p + 1;
    size_t n = min_size(str_length(base), sizeof name - 1);
    mem_copy(name, base, n);
    name[n] = 0;
    if (options.output[0] != '/' && sys_failed(sys2(SYS_getcwd, (long)folder, sizeof folder))) folder[0] = 0;
}

const char *output_program(void) {
    return name;
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
    t.at[t.length] = 0;
    add(p, t.at);
}

/* The program's name as part of a file name: no slash, no control character. */
static void add_name(struct path *p) {
    for (const char *s = name; *s; s++) {
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

long output_open(char path[OUTPUT_PATH_MAX], uint32_t pid, uint64_t number) {
    long fd = -EEXIST_;
    for (unsigned attempt = 1, races = 0; fd == -EEXIST_ && races <= RACES_MAX; races++) {
        struct path p = {path, 0};
        expand(&p, pid, number, attempt);
        fd = sys4(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd == -EEXIST_) attempt = next_free(path, pid, number);
    }
    if (sys_failed(fd)) return fd;
    for (int least = DESCRIPTOR_MIN; least >= 10; least /= 2) {
        long high = sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, least);
        if (sys_failed(high)) continue;
        (void)sys1(SYS_close, fd);
        return high;
    }
    return fd;
}
