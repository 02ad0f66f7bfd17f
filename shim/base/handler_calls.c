/* See handler_calls.h. */
#include "shim/base/handler_calls.h"
#include "shim/base/clock.h"
#include "shim/base/interrupted.h"
#include "shim/base/sys.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

/* Of this thread. `again`: the wait below was interrupted by weir's signal alone. */
static __thread struct {
    bool valid, again;
    uint64_t mask; /* the program's, while the wait below goes on */
    long number;
    uint64_t first, second, began;
} noted;

/* The sleep that goes on in a handler of weir's: where what is left of it is told, and what was as weir's last signal
 * came. */
static __thread struct sleep {
    struct timespec *rest;
    struct timespec left;
    uint64_t came;
} asleep;

void interrupted_note(long number, uint64_t first, uint64_t second) {
    noted.valid = false;
    noted.number = number;
    noted.first = first;
    noted.second = second;
    noted.began = clock_now();
    atomic_signal_fence(memory_order_seq_cst);
    noted.valid = true;
}

bool handler_noted(const struct call *c) {
    return noted.valid && (noted.number == c->number || noted.number == INTERRUPTED_ANY) &&
           noted.first == (uint64_t)c->r[REG_RDI] && noted.second == (uint64_t)c->r[REG_RSI];
}

long handler_noted_number(void) {
    return noted.valid ? noted.number : -1;
}

/* --- the program's own signals --- */

struct action {
    uintptr_t handler;
    unsigned long flags;
    uintptr_t restorer;
    uint64_t mask;
};

static bool get_action(int signal, struct action *action) {
    return sys4(SYS_rt_sigaction, signal, 0, (long)action, 8) == 0 && action->handler > (uintptr_t)SIG_IGN;
}

bool handler_is_set(int signal) {
    struct action action;
    return get_action(signal, &action);
}

bool handler_is_due(const struct call *c, bool restarts) {
    uint64_t pending = 0;
    if (sys2(SYS_rt_sigpending, (long)&pending, 8) != 0) return false;
    pending &= ~c->mask & ~(1ull << (c->signal - 1));
    for (; pending; pending &= pending - 1) {
        struct action action;
        if (get_action(__builtin_ctzll(pending) + 1, &action) && !(restarts && (action.flags & SA_RESTART)))
            return true;
    }
    return false;
}

bool handler_holds_signal(const struct call *c) {
    for (int signal = 1; signal <= 64; signal++) {
        struct action action;
        if (signal != c->signal && get_action(signal, &action) && (action.mask >> (c->signal - 1) & 1)) return true;
    }
    return false;
}

/* --- calls made in the handler --- */

/* With the program's mask. weir's next signal tells, by where it comes, what it interrupts. */
extern const char interrupted_wait_end[] HIDDEN;
static NOINLINE NOCLONE long wait_in(uint64_t mask, long n, const long *arguments) {
    long result = n, a = arguments[0], b = arguments[1], c = arguments[2];
    if (sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8) != 0) return -EINTR;
    register long r10 __asm__("r10") = arguments[3];
    register long r8 __asm__("r8") = arguments[4];
    register long r9 __asm__("r9") = arguments[5];
    __asm__ volatile("syscall\n"
                     ".globl interrupted_wait_end\n"
                     ".hidden interrupted_wait_end\n"
                     "interrupted_wait_end:"
                     : "+a"(result)
                     : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    mask = ~0ull;
    (void)sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8);
    return result;
}

/* The kernel forgets how to go on when a signal's handler returns. So weir's next one does not: it jumps back to where
 * this begins (handler_go_back). */
extern const char interrupted_restart[], interrupted_restart_open[], interrupted_restart_call[],
    interrupted_restart_end[] HIDDEN;
NOINLINE NOCLONE static long restart_in(uint64_t mask) {
    long result = SYS_rt_sigprocmask;
    register long size __asm__("r10") = 8;
    __asm__ volatile(".globl interrupted_restart, interrupted_restart_open\n"
                     ".globl interrupted_restart_call, interrupted_restart_end\n"
                     ".hidden interrupted_restart, interrupted_restart_open\n"
                     ".hidden interrupted_restart_call, interrupted_restart_end\n"
                     "interrupted_restart:\n\t"
                     "syscall\n"
                     "interrupted_restart_open:\n\t"
                     "movl %[restart], %%eax\n"
                     "interrupted_restart_call:\n\t"
                     "syscall\n"
                     "interrupted_restart_end:"
                     : "+a"(result)
                     : "D"((long)SIG_SETMASK), "S"(&mask), "d"(0L), "r"(size), [restart] "i"(SYS_restart_syscall)
                     : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    return result == -ENOSYS ? -EINTR : result;
}

/* A signal of the program's that comes before the kernel is asked ends the call, too. What is left of a sleep the
 * kernel has told then as of when weir's signal came, the last one if there were more. */
long handler_restart(const struct call *c, struct timespec *rest) {
    struct sleep before = asleep;
    asleep = (struct sleep){rest, rest ? *rest : (struct timespec){0, 0}, c->came};
    long result = restart_in(c->mask | c->closed);
    if (result == -EINTR && rest && rest->tv_sec == asleep.left.tv_sec && rest->tv_nsec == asleep.left.tv_nsec)
        handler_lessen(rest, asleep.came);
    asleep = before;
    return result;
}

void handler_lessen(struct timespec *rest, uint64_t came) {
    uint64_t left = handler_ns(rest);
    *rest = handler_time(left - min_size(left, clock_now() - came));
}

_Noreturn void handler_go_back(const greg_t *r) {
    __asm__ volatile("movq %c[rbx](%%rax), %%rbx\n\t"
                     "movq %c[rbp](%%rax), %%rbp\n\t"
                     "movq %c[r12](%%rax), %%r12\n\t"
                     "movq %c[r13](%%rax), %%r13\n\t"
                     "movq %c[r14](%%rax), %%r14\n\t"
                     "movq %c[r15](%%rax), %%r15\n\t"
                     "movq %c[rdi](%%rax), %%rdi\n\t"
                     "movq %c[rsi](%%rax), %%rsi\n\t"
                     "movq %c[rdx](%%rax), %%rdx\n\t"
                     "movq %c[r8](%%rax), %%r8\n\t"
                     "movq %c[r9](%%rax), %%r9\n\t"
                     "movq %c[r10](%%rax), %%r10\n\t"
                     "movq %c[rsp](%%rax), %%rsp\n\t"
                     "movl %[mask], %%eax\n\t"
                     "jmp interrupted_restart"
                     :
                     : "a"(r), [rbx] "i"(REG_RBX * 8), [rbp] "i"(REG_RBP * 8), [r12] "i"(REG_R12 * 8),
                       [r13] "i"(REG_R13 * 8), [r14] "i"(REG_R14 * 8), [r15] "i"(REG_R15 * 8), [rdi] "i"(REG_RDI * 8),
                       [rsi] "i"(REG_RSI * 8), [rdx] "i"(REG_RDX * 8), [r8] "i"(REG_R8 * 8), [r9] "i"(REG_R9 * 8),
                       [r10] "i"(REG_R10 * 8), [rsp] "i"(REG_RSP * 8), [mask] "i"(SYS_rt_sigprocmask)
                     : "memory");
    __builtin_unreachable();
}

void handler_let_in(uint64_t mask) {
    uint64_t all = ~0ull;
    (void)sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8);
    (void)sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, 8);
}

enum handler_in handler_was_in_call(const struct call *c) {
    uintptr_t at = (uintptr_t)c->r[REG_RIP];
    bool waits = at == (uintptr_t)interrupted_wait_end;
    if (!waits && (at < (uintptr_t)interrupted_restart_open || at > (uintptr_t)interrupted_restart_end))
        return HANDLER_IN_NONE;
    struct call programs = *c;
    if (waits)
        programs.mask = noted.mask; /* not the one that the wait was made with */
    else if (asleep.rest)
        asleep.left = *asleep.rest;
    asleep.came = c->came;
    bool cut = c->r[REG_RAX] == -EINTR, due = handler_is_due(&programs, false);
    if (due) handler_let_in(programs.mask);
    if (waits) noted.again = cut && !due;
    return !waits && !due && (at <= (uintptr_t)interrupted_restart_call || cut) ? HANDLER_IN_RESTART : HANDLER_IN_WAIT;
}

struct timespec handler_time(uint64_t ns) {
    return (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

uint64_t handler_ns(const struct timespec *t) {
    if (t->tv_sec < 0) return 0;
    if (t->tv_sec > HANDLER_SECONDS_MAX) return HANDLER_SECONDS_MAX * 1000000000ull;
    return (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_nsec;
}

struct arguments handler_arguments(const struct call *c) {
    const greg_t *r = c->r;
    return (struct arguments){{r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8], r[REG_R9]}};
}

#define FOR_EVER  UINT64_MAX
#define MASK_SIZE 8
#define ALL       (~0ull)

static const void *as_timeout(uint64_t left, struct timespec *time) {
    *time = handler_time(left);
    return left == FOR_EVER ? NULL : time;
}
static long as_ms(uint64_t left) {
    return left == FOR_EVER ? -1 : (long)((left + 999999) / 1000000);
}

/* The kernel puts the mask in force while it waits, and only then: all signals are held before and after. */
static long wait_masked(const struct call *c, uint64_t left) {
    struct timespec time;
    struct arguments arguments = handler_arguments(c);
    long *of = arguments.of;
    uint64_t mask = c->mask | c->closed;
    if (c->number == SYS_pause || c->number == SYS_poll) {
        if (c->number == SYS_pause) of[0] = of[1] = 0;
        of[2] = (long)as_timeout(left, &time);
        of[3] = (long)&mask;
        of[4] = MASK_SIZE;
        return wait_in(ALL, SYS_ppoll, of);
    }
    of[3] = c->number == SYS_epoll_pwait2 ? (long)as_timeout(left, &time) : as_ms(left);
    if (c->number != SYS_epoll_wait && of[4]) mask = *(const uint64_t *)of[4] | c->closed;
    of[4] = (long)&mask;
    of[5] = MASK_SIZE;
    return wait_in(ALL, c->number == SYS_epoll_wait ? SYS_epoll_pwait : c->number, of);
}

static bool has_mask(const struct call *c) {
    switch (c->number) {
    case SYS_pause:
    case SYS_poll:
        return FILTER_ALLOWS(SYS_ppoll, 0, 0, 0);
    case SYS_epoll_wait:
        return FILTER_ALLOWS(SYS_epoll_pwait, 0, 0, 0);
    default:
        return c->number == SYS_epoll_pwait || c->number == SYS_epoll_pwait2;
    }
}

/* Which of a TIMED call's arguments is its timeout: ms of some, else a pointer; pause has none. */
static unsigned place_of_timeout(const struct call *c) {
    return c->number == SYS_rt_sigtimedwait || c->number == SYS_poll ? 2 : c->number == SYS_io_getevents ? 4 : 3;
}
static bool is_in_ms(const struct call *c) {
    return c->number == SYS_epoll_wait || c->number == SYS_epoll_pwait || c->number == SYS_poll;
}

/* What it was to wait in all, ns. */
static uint64_t timeout_of(const struct call *c) {
    long timeout = handler_arguments(c).of[place_of_timeout(c)];
    if (c->number == SYS_pause) return FOR_EVER;
    if (is_in_ms(c)) return (int)timeout < 0 ? FOR_EVER : (uint64_t)(int)timeout * 1000000;
    return timeout ? handler_ns((const void *)timeout) : FOR_EVER;
}

/* As the program made it. */
static long wait_timed(const struct call *c, uint64_t left) {
    struct timespec time;
    struct arguments arguments = handler_arguments(c);
    if (c->number != SYS_pause)
        arguments.of[place_of_timeout(c)] = is_in_ms(c) ? as_ms(left) : (long)as_timeout(left, &time);
    return wait_in(c->mask | c->closed, c->number, arguments.of);
}

/* Until `deadline`, on clock_now's clock; -EINTR: the program's own signal came. */
static long wait_until(const struct call *c, uint64_t deadline, long (*wait)(const struct call *c, uint64_t left)) {
    bool before = noted.again; /* of a wait that the program's handler has interrupted, which is left now */
    uint64_t mask = noted.mask;
    long result;
    noted.mask = c->mask;
    do {
        uint64_t now = clock_now();
        noted.again = false;
        result = wait(c, deadline == FOR_EVER ? FOR_EVER : deadline > now ? deadline - now : 0);
    } while (result == -EINTR && noted.again);
    noted.again = before;
    noted.mask = mask;
    return result;
}

/* Of a call that nobody noted only its latest end is known. */
static uint64_t deadline_of(const struct call *c, uint64_t timeout) {
    return timeout == FOR_EVER ? FOR_EVER : (handler_noted(c) ? noted.began : clock_now()) + timeout;
}

bool handler_is_endless(const struct call *c) {
    return timeout_of(c) == FOR_EVER;
}

long handler_wait(const struct call *c) {
    return wait_until(c, deadline_of(c, timeout_of(c)), has_mask(c) ? wait_masked : wait_timed);
}

/* --- sockets --- */

static bool sends(long number) {
    return number == SYS_write || number == SYS_writev || number == SYS_sendto || number == SYS_sendmsg ||
           number == SYS_sendmmsg || number == SYS_connect;
}

static long wait_for_socket(const struct call *c, uint64_t left) {
    struct pollfd fd = {.fd = (int)c->r[REG_RDI], .events = sends(c->number) ? POLLOUT : POLLIN};
    struct timespec time = handler_time(left);
    uint64_t mask = c->mask | c->closed;
    return wait_in(ALL, SYS_ppoll, (const long[6]){(long)&fd, 1, (long)&time, (long)&mask, MASK_SIZE});
}

long handler_wait_socket(const struct call *c) {
    struct timeval timeout = {0, 0};
    unsigned size = sizeof timeout;
    int option = sends(c->number) ? SO_SNDTIMEO : SO_RCVTIMEO;
    if (sys_failed(sys5(SYS_getsockopt, c->r[REG_RDI], SOL_SOCKET, option, (long)&timeout, (long)&size))) return -EINTR;
    uint64_t ns = (uint64_t)timeout.tv_sec * 1000000000 + (uint64_t)timeout.tv_usec * 1000;
    if (ns == 0) return 0;
    if (!FILTER_ALLOWS(SYS_ppoll, 0, 0, 0)) return -EINTR;
    long result = wait_until(c, deadline_of(c, ns), wait_for_socket);
    return result > 0 ? 0 : result < 0 ? result : c->number == SYS_connect ? -EINPROGRESS : -EAGAIN;
}

/* --- what was transferred in part --- */

#define VECTOR_MAX 64

static size_t skip(struct iovec *to, const struct iovec *from, size_t count, size_t done) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        size_t gone = min_size(done, from[i].iov_len);
        done -= gone;
        if (from[i].iov_len > gone) to[n++] = (struct iovec){(char *)from[i].iov_base + gone, from[i].iov_len - gone};
    }
    return n;
}

static size_t length_of(const struct iovec *vector, size_t count) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) n += vector[i].iov_len;
    return n;
}

/* Of a call that goes on until all is transferred, how much that is; 0: it is none. */
static size_t wanted_of(const struct call *c) {
    const greg_t *r = c->r;
    switch (c->number) {
    case SYS_write:
    case SYS_sendto:
        return (size_t)r[REG_RDX];
    case SYS_recvfrom:
        return r[REG_R10] & MSG_WAITALL ? (size_t)r[REG_RDX] : 0;
    case SYS_writev:
        return (size_t)r[REG_RDX] <= VECTOR_MAX ? length_of((const void *)r[REG_RSI], (size_t)r[REG_RDX]) : 0;
    case SYS_sendmsg:
    case SYS_recvmsg: {
        const struct msghdr *m = (const void *)r[REG_RSI];
        if (c->number == SYS_recvmsg && !(r[REG_RDX] & MSG_WAITALL)) return 0;
        return m->msg_iovlen <= VECTOR_MAX ? length_of(m->msg_iov, m->msg_iovlen) : 0;
    }
    default:
        return 0;
    }
}

static NOINLINE long transfer_rest(const struct call *c, size_t done) {
    struct arguments arguments = handler_arguments(c);
    struct iovec rest[VECTOR_MAX];
    struct msghdr further;
    long *of = arguments.of;
    if (c->number == SYS_writev) {
        of[2] = (long)skip(rest, (const void *)of[1], (size_t)of[2], done);
        of[1] = (long)rest;
    } else if (c->number == SYS_sendmsg || c->number == SYS_recvmsg) {
        const struct msghdr *m = (const void *)of[1];
        further = (struct msghdr){.msg_name = m->msg_name, .msg_namelen = m->msg_namelen, .msg_iov = rest};
        further.msg_iovlen = skip(rest, m->msg_iov, m->msg_iovlen, done);
        of[1] = (long)&further;
    } else {
        of[1] += (long)done;
        of[2] -= (long)done;
    }
    return wait_in(c->mask | c->closed, c->number, of);
}

/* A blocking call comes back early only for a signal's sake, or because it fails from there on. */
void handler_transfer(const struct call *c) {
    size_t wanted = wanted_of(c), done = (size_t)c->r[REG_RAX];
    bool before = noted.again;
    uint64_t mask = noted.mask;
    noted.mask = c->mask;
    while (done < wanted) {
        noted.again = false;
        long more = transfer_rest(c, done);
        if (more > 0) done += (size_t)more;
        /* What one more signal of weir's cut short is gone on with. */
        if (more <= 0 && !(more == -EINTR && noted.again)) break;
        if (more > 0 && handler_is_due(c, false)) break;
    }
    noted.again = before;
    noted.mask = mask;
    c->r[REG_RAX] = (greg_t)done;
}
