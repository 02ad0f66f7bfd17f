/* See mapping.h. A line: START-END PERMISSIONS OFFSET DEVICE INODE   PATH */
#include "shim/base/mapping.h"
#include "shim/base/sys.h"

#include <fcntl.h>

static const char *read_hex(const char *s, uintptr_t *value) {
    for (*value = 0;; s++) {
        char c = *s;
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                                : 16;
        if (digit == 16) return s;
        *value = *value << 4 | digit;
    }
}

static const char *skip_field(const char *s) {
    while (*s != ' ' && *s != '\n') s++;
    while (*s == ' ') s++;
    return s;
}

static void read_line(const char *s, struct mapping *m) {
    s = read_hex(s, &m->start);
    s = read_hex(s + 1, &m->end) + 1;
    m->writable = s[1] == 'w';
    m->shared = s[3] == 's';
    s = skip_field(skip_field(skip_field(s)));
    m->of_file = *s != '0';
    m->is_brk = *skip_field(s) == '[' && skip_field(s)[1] == 'h';
}

bool mapping_each(void (*f)(const struct mapping *m, void *context), void *context) {
    char text[4096];
    size_t have = 0;
    long fd = sys4(SYS_openat, AT_FDCWD, (long)"/proc/self/maps", O_RDONLY | O_CLOEXEC, 0), got = 0;
    if (sys_failed(fd)) return false;
    while ((got = sys3(SYS_read, fd, (long)(text + have), (long)(sizeof text - have))) > 0) {
        have += (size_t)got;
        size_t line = 0;
        for (size_t i = 0; i < have; i++) {
            if (text[i] != '\n') continue;
            struct mapping m;
            read_line(text + line, &m);
            f(&m, context);
            line = i + 1;
        }
        /* A line longer than the buffer ends in a path, of which nothing is wanted. */
        if (line == 0 && have == sizeof text) have = sizeof text / 2;
        for (size_t i = line; i < have; i++) text[i - line] = text[i];
        have -= line;
    }
    (void)sys1(SYS_close, fd);
    return got == 0;
}
