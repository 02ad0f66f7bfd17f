/* A box that somebody cuts short while it is mapped would end the program by SIGBUS at the next store. So that signal
 * is handled where it is at its default, and nobody else's faults are: they go on to what they would have been. */
#include "shim/base/lock.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/format_box.h"
#include "shim/box/live.h"

#include <signal.h>
#include <stdatomic.h>

static void say_cut(void) {
    struct text t = {0};
    text_add(&t, "weir: somebody has cut the box short; after a kill nothing will be known");
    message_send(&t);
}

/* The default again, for a fault that comes anew when the instruction is repeated, or for one that was sent. */
static void leave_it(int number, const siginfo_t *info) {
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    (void)sigaction(number, &by_default, NULL);
    if (info->si_code <= 0) (void)sys3(SYS_tgkill, sys_getpid(), sys_gettid(), number);
}

/* Whoever finds it cut short goes on with memory of the process's own, which is empty as in a child of fork. */
static void on_fault(int number, siginfo_t *info, void *context) {
    uintptr_t at = (uintptr_t)info->si_addr, box = (uintptr_t)live_base;
    (void)context;
    if (info->si_code <= 0 || at < box || at >= box + BOX_SIZE) {
        leave_it(number, info);
        return;
    }
    bool first = atomic_exchange_explicit(&lock_page.live, NULL, memory_order_relaxed) != NULL;
    if (!first) return; /* another thread is about to */
    if (!sys_mmap(live_base, BOX_SIZE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_NORESERVE)) leave_it(number, info);
    say_cut();
}

void live_guard(void) {
    struct sigaction now, mine = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    if (!live_base || atomic_load_explicit(&lock_page.live, memory_order_relaxed) == NULL) return;
    if (sigaction(SIGBUS, NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL) return;
    (void)sigaction(SIGBUS, &mine, NULL);
}
