/* The ways a process image ends: exit, _exit, quick_exit, exec. Each leaves a dump, unless the process is a vfork
 * child, which runs in its parent's memory. */
#include "shim/base/options.h"
#include "shim/base/sys.h"
#include "shim/box/copy.h"
#include "shim/box/crash.h"
#include "shim/box/dump.h"
#include "shim/box/live.h"
#include "shim/entry/hooks.h"
#include "shim/entry/start.h"
#include "shim/track/track.h"

#include <alloca.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define STATUS_HIDDEN (-1) /* quick_exit does not tell its handlers */

static _Atomic bool ended; /* the dump at exit is written; under LOCK_DUMP */

static struct {
    int (*execve)(const char *, char *const[], char *const[]);
    int (*execvpe)(const char *, char *const[], char *const[]);
    int (*fexecve)(int, char *const[], char *const[]);
    int (*execveat)(int, const char *, char *const[], char *const[], int);
} next;

static bool owns_memory(void) {
    start_check();
    filter_look(); /* first: a filter may forbid even to ask who this is */
    return lock_process() == PROCESS_OWNER;
}

static uint32_t this_process(void) {
    return atomic_load_explicit(&lock_page.owner, memory_order_relaxed);
}

/* Copies that still write would be somebody else's children after this. */
static void wait_for_copies(void) {
    if (copy_any() && owns_memory()) copy_end();
}

/* False: another thread's takes long, this thread's exec has one already, or the one at exit is written: after it none
 * begins, which the end would cut off. */
static bool begin_dump(bool last) {
    if (!(options.dump_at & DUMP_ON_EXIT) || !owns_memory() || dump_is_mine() || !dump_begin(last)) return false;
    if (!atomic_load_explicit(&ended, memory_order_relaxed)) return true;
    dump_end();
    return false;
}

static void dump_at_end(enum dump_reason reason, int status) {
    int before = errno;
    arena_within();
    wait_for_copies();
    if (begin_dump(true)) {
        copy_end(); /* also where there was none: a signal may still come */
        dump_count();
        long error = dump_write(reason, status < 0 ? DUMP_STATUS_UNKNOWN : (uint32_t)status & 0xff, this_process());
        atomic_store_explicit(&ended, true, memory_order_relaxed);
        if (error == 0) live_end();
        dump_end();
    } else if (!(options.dump_at & DUMP_ON_EXIT) && owns_memory()) {
        live_end(); /* it has ended in order, and nobody wants to know */
    }
    arena_not_within();
    errno = before;
}

static void at_exit(int status, void *context) {
    (void)context;
    start_say_whose_malloc();
    track_look_at_end();
    dump_at_end(DUMP_AT_EXIT, status & 0xff);
}

static void at_quick_exit_(void) {
    dump_at_end(DUMP_AT_EXIT, STATUS_HIDDEN);
}

/* Also from the first exec, which a library's constructor may do before weir's. */
static void find_exec(void) {
    *(void **)&next.execve = dlsym(RTLD_NEXT, "execve");
    *(void **)&next.execvpe = dlsym(RTLD_NEXT, "execvpe");
    *(void **)&next.fexecve = dlsym(RTLD_NEXT, "fexecve");
    *(void **)&next.execveat = dlsym(RTLD_NEXT, "execveat");
}

void process_forked(void) {
    atomic_store_explicit(&ended, false, memory_order_relaxed);
    copy_forked();
    crash_forked();
}

/* Exit handlers run in the reverse order of registration, and one from on_exit belongs to no library, so that it is not
 * run early when weir's own destructors are. Registered before the program's main, it is the last of all. */
void hook_exit(void) {
    (void)on_exit(at_exit, NULL);
    (void)at_quick_exit(at_quick_exit_);
    find_exec();
}

EXPORT _Noreturn void _exit(int status) {
    dump_at_end(DUMP_AT_EXIT, status & 0xff);
    sys_exit_group(status);
}

EXPORT _Noreturn void _Exit(int status) {
    _exit(status);
}

/* --- exec: the dump is written before; after a successful one there is nobody left, a failed one takes it back --- */

struct exec_dump {
    bool begun, written;
};

static struct exec_dump before_exec(void) {
    struct exec_dump d = {false, false};
    int before = errno;
    if (!next.execve) find_exec();
    arena_within();
    wait_for_copies();
    d.begun = begin_dump(false);
    if (d.begun) {
        dump_count();
        d.written = dump_write(DUMP_AT_EXEC, DUMP_STATUS_UNKNOWN, this_process()) == 0;
        if (d.written) live_mark(true);
    } else {
        if (!(options.dump_at & DUMP_ON_EXIT) && owns_memory()) live_mark(true);
        arena_not_within(); /* before the exec of a vfork child, whose parent has the same count */
    }
    errno = before;
    return d;
}

static int after_failed_exec(struct exec_dump d) {
    copy_go_on();
    if (owns_memory()) live_mark(false);
    if (d.written) dump_discard();
    if (!d.begun) return -1;
    dump_end();
    arena_not_within();
    return -1;
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[]) {
    struct exec_dump d = before_exec();
    (void)next.execve(path, argv, envp);
    return after_failed_exec(d);
}

EXPORT int execv(const char *path, char *const argv[]) {
    return execve(path, argv, environ);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[]) {
    struct exec_dump d = before_exec();
    (void)next.execvpe(file, argv, envp);
    return after_failed_exec(d);
}

EXPORT int execvp(const char *file, char *const argv[]) {
    return execvpe(file, argv, environ);
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[]) {
    struct exec_dump d = before_exec();
    (void)next.fexecve(fd, argv, envp);
    return after_failed_exec(d);
}

EXPORT int execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags) {
    struct exec_dump d = before_exec();
    (void)next.execveat(fd, path, argv, envp, flags);
    return after_failed_exec(d);
}

/* The arguments of an execl, up to and with the terminating NULL: counted first, then put into the caller's array. */
static size_t count_arguments(va_list args) {
    size_t n = 2; /* the first one is a parameter of its own */
    while (va_arg(args, char *)) n++;
    return n;
}

static void collect_arguments(char **argv, size_t n, const char *first, va_list args) {
    argv[0] = (char *)(uintptr_t)first;
    for (size_t i = 1; i < n; i++) argv[i] = va_arg(args, char *);
}

/* Declares `argv` on this stack, and leaves `args` behind the NULL. */
#define COLLECT(first)                                                                                                 \
    va_list args;                                                                                                      \
    va_start(args, first);                                                                                             \
    size_t n = count_arguments(args);                                                                                  \
    va_end(args);                                                                                                      \
    char **argv = alloca(n * sizeof *argv);                                                                            \
    va_start(args, first);                                                                                             \
    collect_arguments(argv, n, first, args)

EXPORT int execl(const char *path, const char *arg, ...) {
    COLLECT(arg);
    va_end(args);
    return execve(path, argv, environ);
}

EXPORT int execlp(const char *file, const char *arg, ...) {
    COLLECT(arg);
    va_end(args);
    return execvpe(file, argv, environ);
}

EXPORT int execle(const char *path, const char *arg, ...) {
    COLLECT(arg);
    char *const *envp = va_arg(args, char *const *);
    va_end(args);
    return execve(path, argv, envp);
}
