/* See park.h. */
#include "shim/scan/park.h"
#include "shim/base/clock.h"
#include "shim/base/options.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <ucontext.h>

#define RED_ZONE 128 /* bytes below the stack pointer that are in use: System V ABI, AMD64, 3.2.2 */

static struct parked parked[PARK_MAX];
static _Atomic uint32_t parked_count;

/* From the handler of the dump signal. A handler of the program's may interrupt this, and comes back. */
static void park_here(void *context) {
    const ucontext_t *c = context;
    uint32_t i = atomic_fetch_add_explicit(&parked_count, 1, memory_order_acq_rel);
    uintptr_t stack = (uintptr_t)c->uc_mcontext.gregs[REG_RSP];
    if (i < PARK_MAX)
        parked[i] = (struct parked){.thread = sys_gettid(),
                                    .stack = stack - RED_ZONE,
                                    .context = (uintptr_t)c,
                                    .block = (uintptr_t)__builtin_thread_pointer(),
                                    .elsewhere = stack - (uintptr_t)c->uc_stack.ss_sp <= c->uc_stack.ss_size &&
                                                 c->uc_stack.ss_size > 0};
    atomic_fetch_add_explicit(&snapshot_parked, 1, memory_order_release);
    for (;;) {
        struct timespec long_time = {3600, 0};
        (void)sys2(SYS_nanosleep, (long)&long_time, 0);
    }
}

void park_start(void) {
    snapshot_park = park_here;
}

struct entry { /* of a folder, as getdents64 gives it */
    uint64_t inode, offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

static bool is_known(const uint32_t *asked, uint32_t count, uint32_t thread) {
    for (uint32_t i = 0; i < count; i++)
        if (asked[i] == thread) return true;
    return false;
}

/* A file of /proc of the thread, from its beginning on; its length, or what was wrong. */
static long read_of(uint32_t thread, const char *name, char *bytes, size_t size) {
    struct text path = {0};
    text_add(&path, "/proc/self/task/");
    text_add_number(&path, thread);
    text_add(&path, name);
    long fd = sys4(SYS_openat, AT_FDCWD, (long)text_string(&path), O_RDONLY | O_CLOEXEC, 0);
    if (sys_failed(fd)) return fd;
    long n = sys3(SYS_read, fd, (long)bytes, (long)size);
    (void)sys1(SYS_close, fd);
    return n;
}

/* The first thread may have ended before the others: it stays as a zombie. */
static bool has_ended(uint32_t thread) {
    char stat[64];
    long n = read_of(thread, "/stat", stat, sizeof stat);
    if (sys_failed(n)) return n == -ENOENT || n == -ESRCH;
    for (long i = 0; i + 2 < n; i++)
        if (stat[i] == ')' && stat[i + 1] == ' ') return stat[i + 2] == 'Z' || stat[i + 2] == 'X';
    return false;
}

/* A thread that blocks the signal may be one that takes it by sigwait or signalfd, as one of the program's own. */
static bool blocks_signal(uint32_t thread) {
    static char status[4 * KIB];
    long n = read_of(thread, "/status", status, sizeof status - 1);
    if (sys_failed(n)) return true;
    status[n] = 0;
    for (const char *s = status; *s; s++) {
        const char *at = str_after(s, "SigBlk:\t");
        if (!at) continue;
        size_t digit = (size_t)(64 - options.signal) / 4; /* 16 of them, the highest first */
        char c = at[digit];
        unsigned bits = (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
        return bits >> (options.signal - 1) % 4 & 1;
    }
    return true;
}

static uint32_t asked[PARK_MAX];
static uint32_t asked_count, sent, lost;

static void ask(uint32_t thread) {
    if (asked_count < PARK_MAX) asked[asked_count++] = thread;
    if (asked_count == PARK_MAX || !snapshot_handles() || blocks_signal(thread) ||
        sys_failed(sys3(SYS_tgkill, sys_getpid(), thread, options.signal)))
        lost++;
    else
        sent++;
}

/* Asks each thread that was not asked yet. True: there were some. */
static bool ask_others(void) {
    static char bytes[2048] ALIGNED(8);
    uint32_t mine = sys_gettid(), before = asked_count;
    long fd = sys4(SYS_openat, AT_FDCWD, (long)"/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), n;
    if (sys_failed(fd) || !mine) {
        if (!sys_failed(fd)) (void)sys1(SYS_close, fd);
        lost += before == 0;
        return false;
    }
    while ((n = sys3(SYS_getdents64, fd, (long)bytes, sizeof bytes)) > 0) {
        for (long at = 0; at < n;) {
            const struct entry *e = (const void *)(bytes + at);
            uint64_t thread = 0;
            at += e->length;
            if (text_number(e->name, &thread) && thread != mine && !is_known(asked, asked_count, (uint32_t)thread) &&
                !has_ended((uint32_t)thread))
                ask((uint32_t)thread);
        }
    }
    (void)sys1(SYS_close, fd);
    lost += n < 0;
    return asked_count > before;
}

/* A thread that was asked may start another one before it is held. */
uint32_t park_others(void) {
    uint64_t until = clock_now() + PARK_TIME;
    struct timespec pause = {0, 100000};
    atomic_store_explicit(&snapshot_parking, true, memory_order_release);
    for (;;) {
        bool more = ask_others();
        uint32_t held = atomic_load_explicit(&snapshot_parked, memory_order_acquire);
        if (!more && held >= sent) return lost;
        if (clock_now() > until) return lost + (sent > held ? sent - held : 0);
        if (held < sent) (void)sys2(SYS_nanosleep, (long)&pause, 0);
    }
}

const struct parked *park_list(uint32_t *count) {
    *count = (uint32_t)min_size(atomic_load_explicit(&snapshot_parked, memory_order_acquire), PARK_MAX);
    return parked;
}
