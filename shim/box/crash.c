/* See crash.h. The handlers do nothing but have a copy of the process write a dump, and wait for it; then the signal is
 * at its default again, and comes anew: a fault when its instruction is repeated, so that a core shows that, and one
 * that was sent by being sent once more. */
#include "shim/box/crash.h"
#include "shim/arena/held.h"
#include "shim/base/lock.h"
#include "shim/base/options.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/format_box.h"
#include "shim/box/live.h"
#include "shim/box/snapshot.h"

#include <signal.h>
#include <stdatomic.h>

#define WAIT 5000 /* ms that other threads that crash wait for the first one's dump */

static _Atomic uint32_t first; /* the thread whose dump it is */
static bool dumps;             /* with WEIR_ON_CRASH */

/* --- a box that is cut short --- */

static void say_cut(void) {
    struct text t = {0};
    text_add(&t, "weir: somebody has cut the box short; after a kill nothing will be known");
    message_send(&t);
}

/* Whoever finds it so goes on with memory of the process's own, which is empty as in a child of fork. */
static bool heal_box(const siginfo_t *info) {
    if (info->si_signo != SIGBUS || info->si_code != BUS_ADRERR || !live_contains(info->si_addr)) return false;
    bool mine = atomic_exchange_explicit(&lock_page.live, NULL, memory_order_relaxed) != NULL;
    if (!mine) return true; /* another thread is about to */
    if (!sys_mmap(live_base, live_size(), PROT_READ | PROT_WRITE, MAP_FIXED | MAP_NORESERVE)) return false;
    say_cut();
    return true;
}

/* --- the end --- */

static void come_anew(int number, const siginfo_t *info) {
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    (void)sigaction(number, &by_default, NULL);
    if (info->si_code <= 0) (void)sys3(SYS_tgkill, sys_getpid(), sys_gettid(), number);
}

/* One dump, of whoever comes first; a fault on the way to it is the end. */
static void leave_dump(enum dump_reason reason, int number, void *context) {
    uint32_t none = 0, self = sys_gettid();
    if (lock_process() == PROCESS_BORROWER) return; /* its parent's memory goes on */
    if (atomic_compare_exchange_strong_explicit(&first, &none, self, memory_order_relaxed, memory_order_relaxed)) {
        arena_within();
        if (snapshot_last(reason, number, context, reason == DUMP_AT_TERM)) live_end();
        arena_not_within();
        atomic_store_explicit(&first, UINT32_MAX, memory_order_relaxed);
        return;
    }
    for (int ms = 0; none != self && ms < WAIT && atomic_load_explicit(&first, memory_order_relaxed) != UINT32_MAX;
         ms++)
        sys_pause(1000000);
}

static void on_crash(int number, siginfo_t *info, void *context) {
    if (heal_box(info)) return;
    if (dumps) leave_dump(DUMP_AT_CRASH, number, context);
    come_anew(number, info);
}

static void on_term(int number, siginfo_t *info, void *context) {
    leave_dump(DUMP_AT_TERM, number, context);
    come_anew(number, info);
}

void crash_forked(void) {
    atomic_store_explicit(&first, 0, memory_order_relaxed);
}

/* --- at start --- */

static void take(int number, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction now, mine = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    uint64_t mask = ~0ull; /* but the dump signal: who holds that is taken for one of the program's own */
    if (options.signal) mask &= ~(1ull << (options.signal - 1));
    mem_copy(&mine.sa_mask, &mask, sizeof mask);
    if (sigaction(number, NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL) return;
    (void)sigaction(number, &mine, NULL);
}

#define STACK (16 * KIB) /* the dump is written on another one; the frame of a signal may have 11 KiB */

static __thread void *stack __attribute__((tls_model("initial-exec")));

void crash_watch_thread(void) {
    stack_t now, mine = {.ss_size = STACK};
    if (!dumps || sys2(SYS_sigaltstack, 0, (long)&now) != 0 || !(now.ss_flags & SS_DISABLE)) return;
    mine.ss_sp = stack = sys_mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_NORESERVE);
    if (stack) (void)sys2(SYS_sigaltstack, (long)&mine, 0);
}

void crash_thread_ended(void) {
    stack_t now, none = {.ss_flags = SS_DISABLE};
    if (!stack) return;
    if (sys2(SYS_sigaltstack, 0, (long)&now) == 0 && now.ss_sp == stack) (void)sys2(SYS_sigaltstack, (long)&none, 0);
    sys_munmap(stack, STACK);
    stack = NULL;
}

void crash_start(void) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};
    dumps = options.on_crash == ON_CRASH_DUMP;
    for (size_t i = 0; dumps && i < ARRAY_LENGTH(faults); i++) take(faults[i], on_crash, SA_ONSTACK);
    if (!dumps && atomic_load_explicit(&lock_page.live, memory_order_relaxed) != NULL)
        take(SIGBUS, on_crash, 0);                               /* no frame on a stack that may be too small for it */
    if ((options.dump_at & DUMP_ON_TERM) && sys_getpid() != 1) { /* of which the kernel keeps them away */
        take(SIGTERM, on_term, SA_ONSTACK);
        take(SIGINT, on_term, SA_ONSTACK);
    }
    crash_watch_thread();
}
