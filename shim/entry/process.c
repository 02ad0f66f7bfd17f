/* The ways a process image ends: exit, _exit, quick_exit, exec. Each leaves a dump, unless the process is a vfork
 * child, which runs in its parent's memory. */
#include "shim/base/options.h"
#include "shim/base/sys.h"
#include "shim/box/dump.h"
#include "shim/entry/hooks.h"
#include "shim/entry/start.h"

#include <alloca.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define STATUS_HIDDEN (-1) /* quick_exit does not tell its handlers */

/* Who writes the dump at exit: 0 nobody yet, a thread id while it is being written, ENDED after. */
static _Atomic uint32_t ending;
#define ENDED    UINT32_MAX
#define END_WAIT 5000 /* ms that another thread's _exit waits for it */

static struct {
    int (*execve)(const char *, char *const[], char *const[]);
    int (*execvpe)(const char *, char *const[], char *const[]);
    int (*fexecve)(int, char *const[], char *const[]);
    int (*execveat)(int, const char *, char *const[], char *const[], int);
} next;

static bool owns_memory(void) {
    start_check();
    return lock_process() == PROCESS_OWNER;
}

static void dump_at_end(enum dump_reason reason, int status) {
    static char path[OUTPUT_PATH_MAX];
    if (!(options.dump_at & DUMP_ON_EXIT) || !owns_memory()) return;
    uint32_t self = sys_gettid(), writer = 0;
    if (!atomic_compare_exchange_strong_explicit(&ending, &writer, self, memory_order_acq_rel, memory_order_acquire)) {
        struct timespec pause = {0, 1000000};
        for (int i = 0; writer != self && writer != ENDED && i < END_WAIT; i++) {
            (void)sys2(SYS_nanosleep, (long)&pause, 0);
            writer = atomic_load_explicit(&ending, memory_order_acquire);
        }
        return;
    }
    int before = errno;
    dump_count();
    (void)dump_write(reason, status < 0 ? DUMP_STATUS_UNKNOWN : (uint32_t)status & 0xff, sys_getpid(), path);
    errno = before;
    atomic_store_explicit(&ending, ENDED, memory_order_release);
}

static void at_exit(int status, void *context) {
    (void)context;
    if (owns_memory()) start_say_whose_malloc();
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
    atomic_store_explicit(&ending, 0, memory_order_relaxed);
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

static _Atomic bool exec_busy; /* the path and the writer's buffers are in use by one thread's exec */
/* In static memory: a vfork child has little stack and never gets to use it. */
static char exec_path[OUTPUT_PATH_MAX];

struct exec_dump {
    bool written, taken; /* taken: exec_busy is this thread's until the exec fails */
};

static void before_exec(struct exec_dump *d) {
    d->written = d->taken = false;
    if (!next.execve) find_exec();
    if (!(options.dump_at & DUMP_ON_EXIT) || !owns_memory()) return;
    if (atomic_exchange_explicit(&exec_busy, true, memory_order_acquire))
        return; /* another thread is at it: one dump will do */
    d->taken = true;
    int before = errno;
    dump_count();
    d->written = dump_write(DUMP_AT_EXEC, DUMP_STATUS_UNKNOWN, sys_getpid(), exec_path) == 0;
    errno = before;
}

static int after_failed_exec(const struct exec_dump *d) {
    if (d->written) dump_discard(exec_path);
    if (d->taken) atomic_store_explicit(&exec_busy, false, memory_order_release);
    return -1;
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[]) {
    struct exec_dump d;
    before_exec(&d);
    (void)next.execve(path, argv, envp);
    return after_failed_exec(&d);
}

EXPORT int execv(const char *path, char *const argv[]) {
    return execve(path, argv, environ);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[]) {
    struct exec_dump d;
    before_exec(&d);
    (void)next.execvpe(file, argv, envp);
    return after_failed_exec(&d);
}

EXPORT int execvp(const char *file, char *const argv[]) {
    return execvpe(file, argv, environ);
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[]) {
    struct exec_dump d;
    before_exec(&d);
    (void)next.fexecve(fd, argv, envp);
    return after_failed_exec(&d);
}

EXPORT int execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags) {
    struct exec_dump d;
    before_exec(&d);
    (void)next.execveat(fd, path, argv, envp, flags);
    return after_failed_exec(&d);
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
