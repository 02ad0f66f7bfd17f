/* See park.h. */
#include "shim/scan/park.h"
#include "shim/base/clock.h"
#include "shim/base/files.h"
#include "shim/base/lock.h"
#include "shim/base/options.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/snapshot.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/uio.h>
#include <stdatomic.h>
#include <ucontext.h>

#define RED_ZONE 128   /* bytes below the stack pointer that are in use: System V ABI, AMD64, 3.2.2 */
#define PAUSE    50000 /* ns between looks at who is held */
/* ns for which it is waited that threads let the signal in, before the first is sent it */
#define BLOCKED_TIME 20000000
#define LOOK_TIME    1000000    /* ns after which it is looked whether who is not held yet has ended */
#define TURN_TIME    1000000000 /* ns that a thread waits for its turn */

#define REST_TIME    10000000 /* ns that the program runs between two holds, at least; else as long as it stood still */
#define FIRST_TIME   50000000 /* ns that the first thread is waited for, at most, and in how many parts */
#define FIRST_WAITS  500
#define STUBBORN_MAX 64 /* threads that are remembered not to let the signal in */

static struct parked parked[PARK_MAX];

/* Low half: entries taken; high half: the number of the hold, 0: nobody holds. Together, so that who comes late is not
 * counted by the next hold. */
static _Atomic uint64_t state;
static _Atomic uint32_t turn; /* as lock_try_word has it */
static uint32_t holds;        /* so many; who has the turn counts */

static uint32_t hold_of(uint64_t word) {
    return (uint32_t)(word >> 32);
}
static uint32_t *hold_word(void) {
    return (uint32_t *)(void *)&state + 1;
}

/* What is known of each thread before it is sent the signal. */
static struct asked {
    uint32_t thread;
    bool reached; /* by the signal, it seems */
    bool gone;    /* it has ended */
    struct interrupted_call call;
} asked[PARK_MAX];
static uint32_t asked_count, sent, lost, mine;
static uint32_t stubborn[STUBBORN_MAX], stubborn_count;
static uint64_t since, released; /* when the first was sent it; when they were let go of the last time */
static bool handles;

/* --- in the threads that are held --- */

static void fill(struct parked *p, const ucontext_t *c, uint32_t hold) {
    uintptr_t stack = (uintptr_t)c->uc_mcontext.gregs[REG_RSP];
    p->thread = sys_gettid();
    p->stack = stack - RED_ZONE;
    p->context = (uintptr_t)c;
    p->block = (uintptr_t)__builtin_thread_pointer();
    p->elsewhere = stack - (uintptr_t)c->uc_stack.ss_sp <= c->uc_stack.ss_size && c->uc_stack.ss_size > 0;
    atomic_store_explicit(&p->hold, hold, memory_order_release);
}

/* A signal for the process is the first thread's, if that lets it in: so it is let go of first, and the others wait
 * until it has handled what came meanwhile. */
static _Atomic uint32_t first_held; /* by which hold; 0: it is not, or has passed */

static void let_first_pass(uint32_t hold, uint32_t thread) {
    if (thread == sys_getpid()) return;
    for (int i = 0; i < FIRST_WAITS && atomic_load_explicit(&first_held, memory_order_acquire) == hold; i++)
        sys_pause(FIRST_TIME / FIRST_WAITS);
}

static void passed(void) {
    if (sys_gettid() == sys_getpid()) atomic_store_explicit(&first_held, 0, memory_order_release);
}

bool park_here(void *context, struct interrupted_call *before) {
    uint64_t word = atomic_load_explicit(&state, memory_order_acquire);
    uint32_t thread = sys_gettid();
    do {
        /* The holder itself may get what an earlier hold has sent it, and would wait for itself. */
        if (!hold_of(word) || thread == mine) return false;
    } while (
        !atomic_compare_exchange_weak_explicit(&state, &word, word + 1, memory_order_acq_rel, memory_order_acquire));
    uint32_t hold = hold_of(word), i = (uint32_t)word;
    *before = (struct interrupted_call){.number = -1};
    for (uint32_t k = 0; k < asked_count; k++)
        if (asked[k].thread == thread) *before = asked[k].call;
    if (i < PARK_MAX) fill(&parked[i], context, hold);
    while (hold_of(atomic_load_explicit(&state, memory_order_acquire)) == hold) sys_futex_wait(hold_word(), hold);
    let_first_pass(hold, thread);
    return before->number >= 0;
}

/* --- in the one that holds them --- */

static const char *about(uint32_t thread, const char *name, long *n) {
    static char text[4 * KIB];
    struct text path = {0};
    text_add(&path, "/proc/self/task/");
    text_add_number(&path, thread);
    text_add(&path, name);
    *n = file_read(text_string(&path), text, sizeof text);
    return text;
}

/* As the kernel's status of a thread says: it can be sent the signal; it cannot; it is gone. The first thread may have
 * ended before the others: it stays as a zombie. One that blocks the signal may be one that takes it by sigwait or
 * signalfd, as one of the program's own. */
enum reach { REACHED_BY_SIGNAL, NOT_REACHED, GONE };

static enum reach reach_of(uint32_t thread) {
    long n;
    const char *status = about(thread, "/status", &n);
    if (n < 0) return n == -ENOENT || n == -ESRCH ? GONE : NOT_REACHED;
    const char *is = line_after(status, "State:\t"), *blocked = line_after(status, "SigBlk:\t");
    if (is && (*is == 'Z' || *is == 'X')) return GONE;
    /* 16 digits, the highest signals first. */
    int four = blocked && options.signal > 0 ? hex_digit(blocked[(64 - options.signal) / 4]) : -1;
    return four >= 0 && !(four >> (options.signal - 1) % 4 & 1) ? REACHED_BY_SIGNAL : NOT_REACHED;
}

static uint64_t next_number(const char **at) {
    uint64_t value = 0;
    while (**at == ' ') ++*at;
    if ((*at)[0] == '0' && (*at)[1] == 'x') *at += 2;
    for (int digit; (digit = hex_digit(**at)) >= 0; ++*at) value = value << 4 | (unsigned)digit;
    return value;
}

/* "NUMBER ARGUMENT... STACK CODE", the number in decimal, six arguments; or "running", or "-1 STACK CODE". The first
 * argument is what clone's flags are in. */
static struct interrupted_call call_of(uint32_t thread) {
    struct interrupted_call call = {.number = -1};
    long n;
    const char *at = about(thread, "/syscall", &n);
    if (n <= 0 || *at < '0' || *at > '9') return call;
    for (call.number = 0; *at >= '0' && *at <= '9'; at++) call.number = call.number * 10 + (*at - '0');
    for (int i = 0; i < 6; i++) call.arguments[i] = next_number(&at);
    call.stack = next_number(&at);
    call.code = next_number(&at);
    return call;
}

/* Of another thread's, which may be gone by now. */
static bool read_word(uintptr_t at, uint64_t *word) {
    struct iovec local = {word, sizeof *word}, remote = {(void *)at, sizeof *word};
    return sys6(SYS_process_vm_readv, sys_getpid(), (long)&local, 1, (long)&remote, 1, 0) == sizeof *word;
}

/* Until its child has ended or made an exec no signal gets through to it. */
static bool waits_for_vfork(const struct interrupted_call *call) {
    uint64_t flags = call->arguments[0];
    if (call->number == SYS_clone3 && !read_word(flags, &flags)) return true;
    return call->number == SYS_vfork ||
           ((call->number == SYS_clone || call->number == SYS_clone3) && (flags & CLONE_VFORK));
}

/* Such a wait takes the signal from those that are blocked, and would return it. */
static bool waits_for_signal(const struct interrupted_call *call) {
    uint64_t set;
    if (call->number != SYS_rt_sigtimedwait) return false;
    return !read_word(call->arguments[0], &set) || (set >> (options.signal - 1) & 1);
}

static bool send(uint32_t thread) {
    siginfo_t info = {.si_signo = options.signal, .si_code = SNAPSHOT_HOLDS};
    info.si_pid = (pid_t)sys_getpid();
    return sys4(SYS_rt_tgsigqueueinfo, info.si_pid, thread, options.signal, (long)&info) == 0;
}

static bool is_stubborn(uint32_t thread) {
    for (uint32_t i = 0; i < stubborn_count; i++)
        if (stubborn[i] == thread) return true;
    return false;
}

static void ask_about(struct asked *a) {
    enum reach reach = reach_of(a->thread);
    a->gone = reach == GONE;
    a->call = call_of(a->thread);
    a->reached = handles && reach == REACHED_BY_SIGNAL && !waits_for_vfork(&a->call) && !waits_for_signal(&a->call);
}

static void see_thread(void *context, const char *name) {
    uint64_t thread;
    (void)context;
    if (!text_number(name, &thread) || thread == mine) return;
    for (uint32_t i = 0; i < asked_count; i++)
        if (asked[i].thread == thread) return;
    if (asked_count == PARK_MAX) {
        lost++;
        return;
    }
    asked[asked_count].thread = (uint32_t)thread;
    ask_about(&asked[asked_count++]);
}

static uint32_t held_by(uint32_t hold) {
    uint32_t taken = (uint32_t)min_size((uint32_t)atomic_load_explicit(&state, memory_order_acquire), PARK_MAX), n = 0;
    for (uint32_t i = 0; i < taken; i++) n += atomic_load_explicit(&parked[i].hold, memory_order_acquire) == hold;
    return n;
}

static bool is_held(uint32_t thread, uint32_t hold) {
    uint32_t taken = (uint32_t)min_size((uint32_t)atomic_load_explicit(&state, memory_order_acquire), PARK_MAX);
    for (uint32_t i = 0; i < taken; i++)
        if (parked[i].thread == thread && atomic_load_explicit(&parked[i].hold, memory_order_acquire) == hold)
            return true;
    return false;
}

/* Threads block signals for moments: in weir's handler after the last hold, in libc while they start another one. Not
 * waited for again is who has not let it in the last time. One that waits for its turn to hold is held already. */
static void wait_for_blocked(uint32_t hold) {
    bool any = handles;
    for (uint64_t until = clock_now() + BLOCKED_TIME; any && clock_now() < until;) {
        any = false;
        for (uint32_t i = 0; i < asked_count; i++) {
            struct asked *a = &asked[i];
            if (a->reached || a->gone || is_held(a->thread, hold) || is_stubborn(a->thread)) continue;
            ask_about(a);
            any |= !a->reached && !a->gone;
        }
        if (any) sys_pause(LOOK_TIME);
    }
    stubborn_count = 0;
    for (uint32_t i = 0; i < asked_count && stubborn_count < STUBBORN_MAX; i++)
        if (!asked[i].reached && !asked[i].gone) stubborn[stubborn_count++] = asked[i].thread;
}

/* All that is to be known is known by then: from the first of them on the program waits. */
static void ask_from(uint32_t next, uint32_t hold) {
    if (!since) since = clock_now();
    for (; next < asked_count; next++) {
        struct asked *a = &asked[next];
        if (a->gone) continue;
        a->reached = is_held(a->thread, hold) || (a->reached && send(a->thread));
        if (a->reached)
            sent++;
        else
            lost++;
    }
}

/* A thread that ends takes no signal any more. */
static void see_who_is_gone(uint32_t hold) {
    for (uint32_t i = 0; i < asked_count; i++) {
        struct asked *a = &asked[i];
        if (!a->reached || a->gone || is_held(a->thread, hold) || reach_of(a->thread) != GONE) continue;
        a->gone = true;
        sent--;
    }
}

/* Whoever waits for its turn is held, too; it cannot be sent the signal while it is in that signal's handler. */
static bool take_turn(void *context) {
    uint64_t until = clock_now() + TURN_TIME;
    struct interrupted_call unused;
    while (!lock_try_word(&turn)) {
        if (context) (void)park_here(context, &unused);
        if (clock_now() > until) return false;
        sys_pause(PAUSE);
    }
    return true;
}

/* Of those who are not held nothing is known, but what an earlier hold has left. */
static void forget_others(uint32_t hold) {
    uint32_t taken = (uint32_t)min_size((uint32_t)atomic_load_explicit(&state, memory_order_relaxed), PARK_MAX);
    for (uint32_t i = 0; i < taken; i++)
        if (atomic_load_explicit(&parked[i].hold, memory_order_acquire) != hold)
            parked[i].stack = parked[i].context = parked[i].block = 0;
}

/* A thread that was asked may start another one before it is held. */
static uint32_t hold_all(uint32_t hold) {
    (void)folder_each("/proc/self/task", see_thread, NULL);
    wait_for_blocked(hold);
    ask_from(0, hold);
    for (uint64_t now = clock_now(), until = now + PARK_TIME, look = now + LOOK_TIME;; now = clock_now()) {
        uint32_t before = asked_count, unseen = !folder_each("/proc/self/task", see_thread, NULL);
        ask_from(before, hold);
        uint32_t is = held_by(hold);
        if (asked_count == before && is >= sent) return lost + unseen;
        if (now > look) {
            see_who_is_gone(hold);
            look = now + LOOK_TIME;
        }
        if (now > until) {
            forget_others(hold);
            return lost + unseen + (sent > is ? sent - is : 1);
        }
        if (is < sent) sys_pause(PAUSE);
    }
}

bool park_others(void *context, uint32_t *not_held) {
    *not_held = 1;
    uint32_t me = sys_gettid();
    if (!me || !take_turn(context)) return false; /* it would ask itself */
    mine = me;
    uint64_t now = clock_now(), next = released + max_size(REST_TIME, released - min_size(released, since));
    if (released && now < next) sys_pause((long)min_size(next - now, PARK_TIME));
    asked_count = sent = lost = 0;
    since = 0;
    handles = snapshot_handles();
    uint32_t hold = ++holds ? holds : ++holds;
    atomic_store_explicit(&state, (uint64_t)hold << 32, memory_order_release);
    *not_held = hold_all(hold);
    bool first = me == sys_getpid() ? context != NULL : is_held(sys_getpid(), hold);
    atomic_store_explicit(&first_held, first ? hold : 0, memory_order_release);
    return true;
}

void park_let_go(void) {
    uint32_t hold = holds, taken = (uint32_t)atomic_exchange_explicit(&state, 0, memory_order_acq_rel);
    sys_futex_wake(hold_word(), INT32_MAX);
    /* Who has an entry fills it: it runs, or is about to. */
    uint64_t until = clock_now() + PARK_TIME;
    for (uint32_t i = 0; i < min_size(taken, PARK_MAX); i++)
        while (atomic_load_explicit(&parked[i].hold, memory_order_acquire) != hold && clock_now() < until)
            sys_pause(PAUSE);
    released = clock_now();
    lock_give_word(&turn);
    let_first_pass(hold, sys_gettid());
}

uint64_t park_since(void) {
    return since;
}

bool park_holds(void) {
    return hold_of(atomic_load_explicit(&state, memory_order_relaxed)) != 0;
}

void park_start(void) {
    snapshot_park = park_here;
    snapshot_passed = passed;
}

const struct parked *park_list(uint32_t *count) {
    *count =
        park_holds() ? (uint32_t)min_size((uint32_t)atomic_load_explicit(&state, memory_order_acquire), PARK_MAX) : 0;
    return parked;
}
