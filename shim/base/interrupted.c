/* See interrupted.h. How a call goes on (enum way):
 *
 * - AGAIN: it is made again, with the same arguments; it has no timeout, or an absolute one.
 * - LESS: the same, with less of a timeout; the kernel has put what was left when the signal came where the program has
 *   it.
 * - RESTART: the kernel knows until when, and goes on when restart_syscall asks it to, before the handler returns.
 * - TIMED: only who noted when it began knows. It is made in the handler, for the time that is left. Calls that can
 *   change the mask while they wait are made so in any case: what comes at any moment then still interrupts them.
 * - SOCKET: a socket's own timeout (SO_RCVTIMEO, SO_SNDTIMEO). Waited for in the handler, then made again.
 *
 * Sources: signal(7), "Interruption of system calls"; Linux, kernel/signal.c and the calls' own code. */
#include "shim/base/interrupted.h"
#include "shim/base/clock.h"
#include "shim/base/handler_calls.h"
#include "shim/base/start.h"
#include "shim/base/sys.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>

enum way { LEAVE, AGAIN, LESS, RESTART, TIMED, SOCKET };

__thread long interrupted_by_syscall;
uintptr_t interrupted_syscall;
#define AT_MINSIGSTKSZ_ 51 /* of the auxiliary vector: bytes of a signal's frame */
#define FRAME_MOST      (4 * KIB)
#define SYSCALL_SIZE    64 /* bytes within which it has its instruction */

/* --- which call --- */

#define CODE_SEEN 24 /* bytes before the instruction */
static const unsigned char syscall_code[2] = {0x0f, 0x05};

static bool is_syscall(const unsigned char *code) {
    return code[0] == syscall_code[0] && code[1] == syscall_code[1];
}

/* Code may be mapped so that it cannot be read, and begin at a page's start. */
static bool read_code(unsigned char *to, uintptr_t from, size_t n) {
    struct iovec local = {to, n}, remote = {(void *)from, n};
    return sys6(SYS_process_vm_readv, sys_getpid(), (long)&local, 1, (long)&remote, 1, 0) == (long)n;
}

static bool waits_for_ever(uint64_t pointer) {
    return pointer == 0;
}

static enum way way_of(const struct call *c) {
    uint64_t second = (uint64_t)c->r[REG_RSI], third = (uint64_t)c->r[REG_RDX], fourth = (uint64_t)c->r[REG_R10];
    switch (c->number) {
    case SYS_rt_sigsuspend:
    case SYS_semop:
    case SYS_msgrcv:
    case SYS_msgsnd:
    case SYS_futex_waitv: /* an absolute time */
        return AGAIN;
    case SYS_select:
    case SYS_pselect6:
    case SYS_ppoll:
        return LESS;
    case SYS_restart_syscall: /* the kernel has begun with it already */
    case SYS_nanosleep:
        return RESTART;
    case SYS_clock_nanosleep:
        return second & TIMER_ABSTIME ? AGAIN : RESTART;
    case SYS_poll:
        return (int)third < 0 ? TIMED : RESTART;
    case SYS_futex:
        return ((int)second & FUTEX_CMD_MASK) == FUTEX_WAIT ? RESTART : AGAIN;
    case SYS_pause:
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        return TIMED;
    case SYS_semtimedop:
        return waits_for_ever(fourth) ? AGAIN : TIMED;
    case SYS_rt_sigtimedwait:
        return waits_for_ever(third) ? AGAIN : TIMED;
    case SYS_io_getevents:
        return waits_for_ever((uint64_t)c->r[REG_R8]) ? AGAIN : TIMED;
    case SYS_io_uring_enter:
        return fourth & 8 /* IORING_ENTER_EXT_ARG: with a timeout */ ? LEAVE : AGAIN;
    case SYS_read:
    case SYS_readv:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_accept:
    case SYS_accept4:
    case SYS_write:
    case SYS_writev:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case SYS_connect:
        return SOCKET;
    default:
        return LEAVE;
    }
}

/* mov $number, %eax; or xor %eax, %eax. Further back it is one only if the number is one of those above. */
static long number_in(const struct call *c, const unsigned char *code) {
    if (code[CODE_SEEN - 2] == 0x31 && code[CODE_SEEN - 1] == 0xc0) return SYS_read;
    for (int at = CODE_SEEN - 5; at >= 0; at--) {
        struct call guess = *c;
        if (code[at] != 0xb8 || code[at + 3] || code[at + 4]) continue;
        guess.number = code[at + 1] | code[at + 2] << 8;
        if (at == CODE_SEEN - 5 || way_of(&guess) != LEAVE) return guess.number;
    }
    return -1;
}

/* It waited in this one already before it was sent the signal. */
static bool is_same(const struct call *c, const struct interrupted_call *before, uintptr_t code) {
    struct arguments arguments = handler_arguments(c);
    if (before->number < 0 || before->code != code || before->stack != (uintptr_t)c->r[REG_RSP]) return false;
    for (int i = 0; i < 6; i++)
        if (before->arguments[i] != (uint64_t)arguments.of[i]) return false;
    return true;
}
static bool is_told(const struct call *c, const struct interrupted_call *before) {
    return before && is_same(c, before, (uintptr_t)c->r[REG_RIP]);
}

/* The call that has just come back with what the context says; -1: none has. */
static long number_of(struct call *c, const struct interrupted_call *before) {
    uintptr_t code = (uintptr_t)c->r[REG_RIP];
    unsigned char seen[CODE_SEEN + 2];
    if (!read_code(seen, code - sizeof seen, sizeof seen)) {
        if (!read_code(seen + CODE_SEEN, code - 2, 2)) return -1;
        for (size_t i = 0; i < CODE_SEEN; i++) seen[i] = 0;
    }
    if (!is_syscall(seen + CODE_SEEN)) return -1;
    if (code - interrupted_syscall < SYSCALL_SIZE) return interrupted_by_syscall;
    if (is_told(c, before)) return before->number;
    c->number = handler_noted_number();
    if (c->number >= 0 && handler_noted(c)) return c->number;
    return number_in(c, seen);
}

/* --- the context --- */

static void make_again(const struct call *c) {
    c->r[REG_RIP] -= (greg_t)sizeof syscall_code;
    c->r[REG_RAX] = (greg_t)c->number;
}

/* By what has gone by in the handler. */
static void make_less(const struct call *c) {
    uint64_t gone = clock_now() - c->came;
    struct arguments arguments = handler_arguments(c);
    void *timeout = (void *)arguments.of[c->number == SYS_ppoll ? 2 : 4];
    if (!timeout) return;
    if (c->number == SYS_select) {
        struct timeval *t = timeout;
        uint64_t left = (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
        left -= min_size(left, gone / 1000);
        *t = (struct timeval){(time_t)(left / 1000000), (suseconds_t)(left % 1000000)};
    } else {
        struct timespec *t = timeout;
        uint64_t left = handler_ns(t);
        if (t->tv_sec <= HANDLER_SECONDS_MAX) *t = handler_time(left - min_size(left, gone));
    }
}

/* Where the program is told how much of its sleep is left; NULL: nowhere. */
static struct timespec *rest_of(const struct call *c) {
    struct arguments arguments = handler_arguments(c);
    if (c->number == SYS_nanosleep) return (void *)arguments.of[1];
    return c->number == SYS_clock_nanosleep && !(arguments.of[1] & TIMER_ABSTIME) ? (void *)arguments.of[3] : NULL;
}

/* The call ends with EINTR all the same. */
static void end_interrupted(const struct call *c) {
    struct timespec *rest = rest_of(c);
    if (rest) handler_lessen(rest, c->came); /* the kernel has told it as of when weir's signal came */
    if (way_of(c) == LESS) make_less(c);
}

static void go_on(const struct call *c) {
    long result = -EINTR;
    switch (way_of(c)) {
    case LEAVE:
        return;
    case LESS:
        make_less(c);
        make_again(c);
        return;
    case AGAIN:
        make_again(c);
        return;
    case RESTART:
        if (FILTER_ALLOWS(SYS_restart_syscall, 0, 0, 0) && FILTER_ALLOWS(SYS_rt_sigprocmask, SIG_SETMASK, 0, 0))
            result = handler_restart(c, rest_of(c));
        break;
    case TIMED:
        if (c->closed && handler_is_endless(c)) {
            make_again(c);
            return;
        }
        result = handler_wait(c);
        break;
    case SOCKET:
        result = handler_wait_socket(c);
        if (result == 0) {
            make_again(c);
            return;
        }
    }
    c->r[REG_RAX] = (greg_t)result;
}

/* Whether a call that the kernel makes again was under way, and not just about to begin. */
static bool was_waiting(const struct call *c, const struct interrupted_call *before) {
    uintptr_t next = (uintptr_t)c->r[REG_RIP] + sizeof syscall_code;
    if (before) return before->number == c->number && is_same(c, before, next);
    switch (c->number) {
    case SYS_read:
    case SYS_readv:
    case SYS_write:
    case SYS_writev: {
        struct stat file;
        return sys2(SYS_fstat, c->r[REG_RDI], (long)&file) == 0 && !S_ISREG(file.st_mode) && !S_ISDIR(file.st_mode);
    }
    case SYS_wait4:
    case SYS_waitid:
    case SYS_futex:
    case SYS_flock:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_sendto:
    case SYS_sendmsg:
        return true;
    default:
        return false;
    }
}

/* The kernel makes it again, as SA_RESTART says for weir's signal; the program's says otherwise. */
static void interrupt(struct call *c, const struct interrupted_call *before) {
    unsigned char code[2];
    c->number = (long)c->r[REG_RAX];
    if (!read_code(code, (uintptr_t)c->r[REG_RIP], 2) || !is_syscall(code) || !was_waiting(c, before)) return;
    c->r[REG_RIP] += (greg_t)sizeof syscall_code;
    c->r[REG_RAX] = -EINTR;
}

/* Where weir is on a small stack for signals its next one must not come while it waits there: two frames, and what the
 * next one does, take more than the 8 KiB that such a stack often has. */
#define HANDLER_ROOM (4 * KIB) /* bytes that a handler of weir's needs beside its frame */
static bool lacks_room(const ucontext_t *u) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), low = (uintptr_t)u->uc_stack.ss_sp;
    uint64_t frame = start_auxiliary(AT_MINSIGSTKSZ_);
    return u->uc_stack.ss_size > 0 && here - low < u->uc_stack.ss_size &&
           here - low < (frame ? frame : FRAME_MOST) + HANDLER_ROOM;
}

void interrupted_begin(void) {
    static const int ignorable[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH}; /* by default */
    uint64_t ignored = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(ignorable); i++)
        if (!handler_is_set(ignorable[i])) ignored |= 1ull << (ignorable[i] - 1);
    if (ignored) (void)sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&ignored, 0, sizeof ignored);
}

void interrupted_go_on(int number, void *context, uint64_t came, const struct interrupted_call *before,
                       void (*passed)(void)) {
    ucontext_t *u = context;
    struct call c = {.r = u->uc_mcontext.gregs, .number = -1, .signal = number, .came = came};
    c.mask = *(const uint64_t *)(const void *)&u->uc_sigmask;
    enum handler_in in = handler_was_in_call(&c);
    if (in != HANDLER_IN_NONE) {
        passed();
        if (in == HANDLER_IN_RESTART) handler_go_back(c.r);
        return;
    }
    if (lacks_room(u)) c.closed = 1ull << (number - 1);
    if (handler_is_due(&c, true)) {
        if (c.r[REG_RAX] != -EINTR)
            interrupt(&c, before);
        else if ((c.number = number_of(&c, before)) >= 0)
            end_interrupted(&c);
        handler_let_in(c.mask);
        passed();
        return;
    }
    passed();
    if (c.r[REG_RAX] != -EINTR && c.r[REG_RAX] <= 0) return;
    c.number = number_of(&c, before);
    if (c.number < 0) return;
    if (c.r[REG_RAX] > 0)
        handler_transfer(&c);
    else if (is_told(&c, before) || !handler_holds_signal(&c))
        go_on(&c);
}
