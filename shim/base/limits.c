/* See limits.h. /proc/self/cgroup names the process's cgroup in each hierarchy, /proc/self/mountinfo where a hierarchy
 * is mounted, and which cgroup is the root there: a container's own, which may be all that can be seen of it. */
#include "shim/base/limits.h"
#include "shim/base/files.h"
#include "shim/base/text.h"

#include <fcntl.h>

#define LONGEST 1024

static char file[64 * KIB]; /* what was read last, terminated */

static bool read_file(const char *root, const char *path) {
    struct text name = {0};
    text_add(&name, root);
    text_add(&name, path);
    return file_read(text_string(&name), file, sizeof file) > 0;
}

/* The first number in the file; UINT64_MAX: none ("max"), or one too large to limit anything. */
static uint64_t first_number(void) {
    const char *s = file;
    while (*s && (*s < '0' || *s > '9')) s++;
    if (!*s) return UINT64_MAX;
    uint64_t n = 0;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
            return UINT64_MAX;
    return n;
}

static const char *next_line(const char *s) {
    while (*s && *s != '\n') s++;
    return *s ? s + 1 : s;
}
static const char *next_word(const char *s) {
    while (*s && *s != ' ' && *s != '\n') s++;
    while (*s == ' ') s++;
    return s;
}
static bool begins(const char *s, const char *with) {
    return str_after(s, with) != NULL;
}

/* Copies up to whatever ends a word or a line. */
static bool copy_word(char *to, const char *s) {
    size_t n = 0;
    while (s[n] && s[n] != ' ' && s[n] != '\n') n++;
    if (n >= LONGEST) return false;
    mem_copy(to, s, n);
    to[n] = 0;
    return true;
}

/* Whether the comma-separated list from s up to a colon has "memory". */
static bool has_memory(const char *s) {
    for (; *s && *s != ':' && *s != '\n'; s++)
        if (begins(s, "memory") && (s[6] == ':' || s[6] == ',') && (s[-1] == ':' || s[-1] == ',')) return true;
    return false;
}

/* The path of the process's cgroup. A line: HIERARCHY:CONTROLLERS:PATH; version 2 is hierarchy 0 without controllers.
 */
static bool find_group(const char *root, bool version_2, char *path) {
    if (!read_file(root, "/proc/self/cgroup")) return false;
    for (const char *line = file; *line; line = next_line(line)) {
        const char *controllers = line;
        while (*controllers && *controllers != ':') controllers++;
        if (!*controllers) continue;
        bool is = version_2 ? begins(line, "0::") : has_memory(controllers + 1);
        const char *at = controllers + 1;
        while (*at && *at != ':' && *at != '\n') at++;
        if (is && *at == ':') return copy_word(path, at + 1);
    }
    return false;
}

/* Where the hierarchy is mounted, and which of its cgroups is there. A line: ID PARENT DEVICE ROOT MOUNTPOINT OPTIONS
 * [FIELD...] - TYPE SOURCE SUPEROPTIONS */
static bool find_mount(const char *root, bool version_2, char *mounted, char *group) {
    if (!read_file(root, "/proc/self/mountinfo")) return false;
    for (const char *line = file; *line; line = next_line(line)) {
        const char *at_root = next_word(next_word(next_word(line))), *at_point = next_word(at_root), *s = at_point;
        while (*s && *s != '\n' && !begins(s, " - ")) s++;
        if (!begins(s, " - ")) continue;
        const char *type = s + 3, *options = next_word(next_word(type));
        bool is = begins(type, version_2 ? "cgroup2 " : "cgroup ");
        if (is && !version_2) {
            is = false;
            for (; *options && *options != '\n'; options++)
                is |= begins(options, "memory") && (options[-1] == ',' || options[-1] == ' ') &&
                      (options[6] == ',' || options[6] == '\n' || !options[6]);
        }
        if (is) return copy_word(group, at_root) && copy_word(mounted, at_point);
    }
    return false;
}

/* The least limit from the process's own cgroup up to the root of what is mounted. */
static uint64_t limit_of(const char *root, bool version_2) {
    static char path[LONGEST], mounted[LONGEST], top[LONGEST];
    uint64_t least = UINT64_MAX;
    if (!find_group(root, version_2, path) || !find_mount(root, version_2, mounted, top)) return least;
    size_t skip = str_equal(top, "/") ? 0 : str_length(top);
    /* What lies outside of the mount cannot be seen; its root is the nearest that can. */
    const char *below = begins(path, top) && (path[skip] == '/' || !path[skip]) ? path + skip : "";
    for (size_t n = str_length(below);;) {
        struct text name = {0};
        text_add(&name, mounted);
        text_add_bytes(&name, below, n);
        text_add(&name, version_2 ? "/memory.max" : "/memory.limit_in_bytes");
        if (read_file(root, text_string(&name))) least = min_size(least, first_number());
        if (n == 0) return least;
        while (n > 0 && below[--n] != '/') {
        }
    }
}

uint64_t limits_memory(const char *root) {
    uint64_t machine = read_file(root, "/proc/meminfo") ? first_number() : UINT64_MAX; /* MemTotal, in KiB */
    uint64_t least = machine > UINT64_MAX / KIB ? UINT64_MAX : machine * KIB;
    least = min_size(least, min_size(limit_of(root, true), limit_of(root, false)));
    return least == UINT64_MAX ? 0 : least;
}
