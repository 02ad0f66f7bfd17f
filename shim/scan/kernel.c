/* See kernel.h; formats: proc(5), /proc/PID/fdinfo and /proc/PID/timers. */
#include "shim/scan/kernel.h"
#include "shim/base/files.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/memory.h"
#include "shim/box/state.h"
#include "shim/scan/blocks.h"
#include "shim/scan/mark.h"

#include <errno.h>
#include <fcntl.h>

/* Looks for a name, then takes the number in base 16 behind it, a byte at a time. */
struct seeker {
    const char *name;
    struct root root; /* whose words they are */
    size_t matched;   /* bytes of the name; all: what comes is the number */
    uint64_t word;
};

static void seek(struct seeker *s, char c) {
    int digit = hex_digit(c);
    if (s->name[s->matched]) {
        s->matched = c == s->name[s->matched] ? s->matched + 1 : c == s->name[0];
        s->word = 0;
    } else if (digit >= 0) {
        s->word = s->word << 4 | (uint64_t)digit;
    } else if (c != ' ') {
        mark_words(&s->word, 1, s->root);
        s->matched = 0;
    }
}

static bool mark_words_of(const char *path, const char *name, struct root root) {
    static char text[4 * KIB];
    struct seeker seeker = {.name = name, .root = root};
    long fd = sys4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0), n;
    if (sys_failed(fd)) return fd == -ENOENT; /* closed by now, or a kernel without */
    while ((n = sys3(SYS_read, fd, (long)text, sizeof text)) > 0)
        for (long i = 0; i < n; i++) seek(&seeker, text[i]);
    seek(&seeker, '\n');
    (void)sys1(SYS_close, fd);
    return n == 0;
}

/* Of the program: a copy that searches has neither its timers nor, by now, its descriptors. */
static struct text path_of(const char *name, const char *number) {
    struct text path = {0};
    text_add(&path, "/proc/");
    text_add_number(&path, memory_process());
    text_add(&path, name);
    text_add(&path, number);
    (void)text_string(&path);
    return path;
}

static bool mark_epoll(const char *number) {
    char target[32] = {0};
    struct text path = path_of("/fd/", number);
    long n = sys3(SYS_readlink, (long)text_string(&path), (long)target, sizeof target - 1);
    if (sys_failed(n)) return n == -ENOENT || *number == '.';
    if (!str_equal(target, "anon_inode:[eventpoll]")) return true;
    path = path_of("/fdinfo/", number);
    uint64_t descriptor = 0;
    (void)text_number(number, &descriptor);
    return mark_words_of(text_string(&path), "data:", (struct root){ROOT_EPOLL, descriptor});
}

static void see_descriptor(void *context, const char *number) {
    bool *whole = context;
    *whole &= mark_epoll(number);
}

/* A signal that waits may bring the only pointer to a block, and nobody can ask for it. */
static void see_thread(void *context, const char *number) {
    static const char *const names[] = {"SigPnd:", "ShdPnd:"};
    static char text[4 * KIB];
    bool *none = context;
    struct text path = path_of("/task/", number);
    text_add(&path, "/status");
    if (*number == '.' || file_read(text_string(&path), text, sizeof text) <= 0) return; /* it has ended by now */
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const char *at = line_after(text, names[i]);
        for (; at && (hex_digit(*at) >= 0 || *at == '\t' || *at == ' '); at++)
            if (hex_digit(*at) > 0) *none = false;
    }
}

/* Nor of what is to come when a queue of messages gets one. */
static bool no_signal_waits(void) {
    bool none = true;
    struct text tasks = path_of("/task", "");
    return !state_of_process.queues_keep &&
           (!state_of_process.signals_keep || (folder_each(tasks.at, see_thread, &none) && none));
}

bool kernel_mark(void) {
    struct text timers = path_of("/timers", ""), descriptors = path_of("/fd", "");
    bool whole = mark_words_of(timers.at, "/", (struct root){ROOT_TIMER, 0});
    return folder_each(descriptors.at, see_descriptor, &whole) && whole && no_signal_waits();
}
