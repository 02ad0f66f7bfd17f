/* See park.h. */
#include "shim/scan/park.h"
#include "shim/base/clock.h"
#include "shim/base/files.h"
#include "shim/base/options.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/snapshot.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <ucontext.h>

#define RED_ZONE 128 /* bytes below the stack pointer that are in use: System V ABI, AMD64, 3.2.2 */

static struct parked parked[PARK_MAX];
static _Atomic uint32_t taken, held; /* entries; those that are filled */

/* From the handler of the dump signal. A handler of the program's may interrupt this, and comes back. */
static void park_here(void *context) {
    const ucontext_t *c = context;
    uint32_t i = atomic_fetch_add_explicit(&taken, 1, memory_order_acq_rel);
    uintptr_t stack = (uintptr_t)c->uc_mcontext.gregs[REG_RSP];
    if (i < PARK_MAX)
        parked[i] = (struct parked){.thread = sys_gettid(),
                                    .stack = stack - RED_ZONE,
                                    .context = (uintptr_t)c,
                                    .block = (uintptr_t)__builtin_thread_pointer(),
                                    .elsewhere = stack - (uintptr_t)c->uc_stack.ss_sp <= c->uc_stack.ss_size &&
                                                 c->uc_stack.ss_size > 0};
    atomic_fetch_add_explicit(&held, 1, memory_order_release);
    for (;;) {
        struct timespec long_time = {3600, 0};
        (void)sys2(SYS_nanosleep, (long)&long_time, 0);
    }
}

void park_start(void) {
    snapshot_park = park_here;
}

static bool is_known(const uint32_t *asked, uint32_t count, uint32_t thread) {
    for (uint32_t i = 0; i < count; i++)
        if (asked[i] == thread) return true;
    return false;
}

/* As the kernel's status of a thread says: it can be sent the signal; it cannot; it is gone. The first thread may have
 * ended before the others: it stays as a zombie. One that blocks the signal may be one that takes it by sigwait or
 * signalfd, as one of the program's own. */
enum reach { REACHED_BY_SIGNAL, NOT_REACHED, GONE };

static enum reach reach_of(uint32_t thread) {
    static char status[4 * KIB];
    struct text path = {0};
    text_add(&path, "/proc/self/task/");
    text_add_number(&path, thread);
    text_add(&path, "/status");
    long n = file_read(text_string(&path), status, sizeof status);
    if (n < 0) return n == -ENOENT || n == -ESRCH ? GONE : NOT_REACHED;
    const char *state = line_after(status, "State:\t"), *blocked = line_after(status, "SigBlk:\t");
    if (state && (*state == 'Z' || *state == 'X')) return GONE;
    /* 16 digits, the highest signals first. */
    int four = blocked && options.signal > 0 ? hex_digit(blocked[(64 - options.signal) / 4]) : -1;
    return four >= 0 && !(four >> (options.signal - 1) % 4 & 1) ? REACHED_BY_SIGNAL : NOT_REACHED;
}

static uint32_t asked[PARK_MAX];
static uint32_t asked_count, sent, lost, mine;
static bool handles;

static void ask(uint32_t thread) {
    enum reach reach = reach_of(thread);
    if (reach == GONE) return;
    if (asked_count < PARK_MAX) asked[asked_count++] = thread;
    if (asked_count == PARK_MAX || !handles || reach == NOT_REACHED ||
        sys_failed(sys3(SYS_tgkill, sys_getpid(), thread, options.signal)))
        lost++;
    else
        sent++;
}

static void see_thread(void *context, const char *name) {
    uint64_t thread;
    (void)context;
    if (text_number(name, &thread) && thread != mine && !is_known(asked, asked_count, (uint32_t)thread))
        ask((uint32_t)thread);
}

/* A thread that was asked may start another one before it is held. */
uint32_t park_others(void) {
    uint64_t until = clock_now() + PARK_TIME;
    struct timespec pause = {0, 100000};
    mine = sys_gettid();
    handles = snapshot_handles();
    if (!mine) return 1; /* it would ask itself */
    atomic_store_explicit(&snapshot_parking, true, memory_order_release);
    for (;;) {
        uint32_t before = asked_count, unseen = !folder_each("/proc/self/task", see_thread, NULL);
        uint32_t is = atomic_load_explicit(&held, memory_order_acquire);
        if (asked_count == before && is >= sent) return lost + unseen;
        if (clock_now() > until) return lost + unseen + (sent > is ? sent - is : 0);
        if (is < sent) (void)sys2(SYS_nanosleep, (long)&pause, 0);
    }
}

const struct parked *park_list(uint32_t *count) {
    *count = (uint32_t)min_size(atomic_load_explicit(&held, memory_order_acquire), PARK_MAX);
    return parked;
}
