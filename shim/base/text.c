/* Building and writing messages; see text.h. */
#include "shim/base/text.h"
#include "shim/base/sys.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct {
    bool quiet;
    bool known;
    uint64_t device, inode;
} standard_error;

void text_add_bytes(struct text *t, const char *s, size_t n) {
    for (size_t i = 0; i < n && t->length < sizeof t->at - 1; i++) {
        char c = s[i];
        if ((unsigned char)c < 0x20 || c == 0x7f) c = '?';
        t->at[t->length++] = c;
    }
}

void text_add(struct text *t, const char *s) {
    for (; *s && t->length < sizeof t->at - 1; s++) t->at[t->length++] = *s;
}

void text_add_number(struct text *t, uint64_t n) {
    char digits[20];
    size_t i = sizeof digits;
    do digits[--i] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    text_add_bytes(t, digits + i, sizeof digits - i);
}

void text_add_hex(struct text *t, uint64_t n) {
    char digits[16];
    size_t i = sizeof digits;
    do digits[--i] = "0123456789abcdef"[n & 15];
    while ((n >>= 4) > 0);
    text_add(t, "0x");
    text_add_bytes(t, digits + i, sizeof digits - i);
}

const char *text_string(struct text *t) {
    t->at[min_size(t->length, sizeof t->at - 1)] = 0;
    return t->at;
}

bool text_number(const char *s, uint64_t *value) {
    uint64_t n = 0;
    if (!*s) return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9') return false;
        if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n)) return false;
    }
    *value = n;
    return true;
}

void message_be_quiet(bool quiet) {
    standard_error.quiet = quiet;
}

void message_start(bool quiet) {
    struct stat st;
    standard_error.quiet = quiet;
    if (sys2(SYS_fstat, 2, (long)&st) != 0) return;
    standard_error.known = true;
    standard_error.device = st.st_dev;
    standard_error.inode = st.st_ino;
}

static bool is_place_for_messages(void) {
    struct stat st;
    if (!standard_error.known || sys2(SYS_fstat, 2, (long)&st) != 0) return false;
    if (st.st_dev == standard_error.device && st.st_ino == standard_error.inode) return true;
    if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)) return true;
    return S_ISREG(st.st_mode) && (sys3(SYS_fcntl, 2, F_GETFL, 0) & O_APPEND) != 0;
}

bool message_is_possible(void) {
    return !standard_error.quiet && is_place_for_messages();
}

void message_send(struct text *t) {
    if (message_is_possible()) message_send_unchecked(t);
}

void message_send_unchecked(struct text *t) {
    t->at[t->length++] = '\n';
    (void)sys3(SYS_write, 2, (long)t->at, (long)t->length);
}

#ifdef WEIR_DEBUG
void base_assert_failed(const char *what, const char *file, int line) {
    struct text t = {0};
    text_add(&t, "weir: assertion failed: ");
    text_add(&t, what);
    text_add(&t, " at ");
    text_add(&t, file);
    text_add(&t, ":");
    text_add_number(&t, (uint64_t)line);
    t.at[t.length++] = '\n';
    (void)sys3(SYS_write, 2, (long)t.at, (long)t.length);
    __builtin_trap();
}
#endif
