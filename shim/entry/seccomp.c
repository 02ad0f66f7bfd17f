/* Filters of system calls, seen as they pass through libc: prctl, and syscall for seccomp, which has no function of its
 * own. What a filter forbids is known before it is in force; see base/filter.h. And who
 * adopts orphans, box/copy.c. */
#include "shim/base/filter.h"
#include "shim/base/interrupted.h"
#include "shim/base/options.h"
#include "shim/base/text.h"
#include "shim/box/copy.h"
#include "shim/box/dump.h"
#include "shim/entry/hooks.h"
#include "shim/entry/start.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static int (*next_prctl)(int, ...);
long (*seccomp_next_syscall)(long, ...) HIDDEN;

void hook_seccomp(void) {
    *(void **)&next_prctl = dlsym(RTLD_NEXT, "prctl");
    *(void **)&seccomp_next_syscall = dlsym(RTLD_NEXT, "syscall");
    interrupted_syscall = (uintptr_t)seccomp_next_syscall;
}

struct change {
    bool seen; /* not a vfork child's, which has its parent's memory but not its filters */
    bool can_tell, could_dump;
    struct filter *filter;
};

static struct change begin(const struct sock_fprog *program, bool everybody) {
    struct change c = {.seen = lock_process() != PROCESS_BORROWER};
    if (!c.seen) return c;
    c.could_dump = dump_is_wanted() && dump_is_permitted();
    c.can_tell = c.could_dump && message_is_possible();
    c.filter = filter_add(program, everybody);
    return c;
}

static void end(const struct change *c, bool is_set) {
    if (!c->seen) return;
    if (!is_set && c->filter) filter_remove(c->filter);
    if (!is_set) return;
    if (!c->filter) filter_unknown();
    bool one_threads = c->filter && !filter_is_everybodys(c->filter); /* others write */
    if (!c->can_tell || one_threads || dump_is_permitted()) return;   /* can_tell: what was said is not said again */
    struct text t = {0};
    text_add(&t, "weir: the program's filter of system calls forbids what a dump needs: none will be written");
    message_send_unchecked(&t);
}

static const void *as_pointer(unsigned long argument) {
    return (const void *)argument;
}

EXPORT int prctl(int option, ...) {
    va_list args;
    va_start(args, option);
    unsigned long a = va_arg(args, unsigned long), b = va_arg(args, unsigned long), c = va_arg(args, unsigned long),
                  d = va_arg(args, unsigned long);
    va_end(args);
    if (!next_prctl) hook_seccomp();
    if (option != PR_SET_SECCOMP || (a != SECCOMP_MODE_STRICT && a != SECCOMP_MODE_FILTER)) {
        int result = next_prctl(option, a, b, c, d);
        if (option == PR_SET_CHILD_SUBREAPER && a && result == 0) copy_adopters_seen();
        return result;
    }
    start_check();
    struct change change = begin(a == SECCOMP_MODE_FILTER ? as_pointer(b) : NULL, false);
    int result = next_prctl(option, a, b, c, d), error = errno;
    end(&change, result == 0);
    errno = error;
    return result;
}

/* What syscall is asked for and has to be seen. */
long seccomp_by_syscall(long number, unsigned long a, unsigned long b, unsigned long c, unsigned long d,
                        unsigned long e) HIDDEN;
long seccomp_by_syscall(long number, unsigned long a, unsigned long b, unsigned long c, unsigned long d,
                        unsigned long e) {
    if (number == SYS_prctl) return prctl((int)a, b, c, d, e);
    if (a != SECCOMP_SET_MODE_STRICT && a != SECCOMP_SET_MODE_FILTER) return seccomp_next_syscall(number, a, b, c);
    start_check();
    struct change change =
        begin(a == SECCOMP_SET_MODE_FILTER ? as_pointer(c) : NULL, (b & SECCOMP_FILTER_FLAG_TSYNC) != 0);
    long result = seccomp_next_syscall(number, a, b, c);
    int error = errno;
    /* A positive answer is a listener's descriptor, or a thread that could not be brought in line. */
    end(&change, result == 0 || (result > 0 && (b & SECCOMP_FILTER_FLAG_NEW_LISTENER)));
    errno = error;
    return result;
}

/* When it began is noted. */
long wait_by_syscall(long number, long a, long b, long c, long d, long e, long f) HIDDEN;
long wait_by_syscall(long number, long a, long b, long c, long d, long e, long f) {
    interrupted_note(number, (uint64_t)a, (uint64_t)b);
    return seccomp_next_syscall(number, a, b, c, d, e, f);
}

/* All others jump on to libc's, with arguments and stack as they are. Called before the constructor, it has the
 * addresses looked up first. */
__asm__(".pushsection .text\n"
        ".globl syscall\n"
        ".type syscall, @function\n"
        "syscall:\n"
        "    .cfi_startproc\n"
        "    cmpq $0, seccomp_next_syscall(%rip)\n"
        "    je 2f\n"
        "1:  movq interrupted_by_syscall@gottpoff(%rip), %r10\n"
        "    movq %rdi, %fs:(%r10)\n"
        "    cmpl $317, %edi\n" /* seccomp */
        "    je seccomp_by_syscall\n"
        "    cmpl $157, %edi\n" /* prctl */
        "    je seccomp_by_syscall\n"
        "    leal -9(%rdi), %r10d\n" /* mmap, mprotect, munmap, brk */
        "    cmpl $4, %r10d\n"
        "    jb map_by_syscall\n"
        "    cmpl $25, %edi\n" /* mremap */
        "    je map_by_syscall\n"
        "    cmpl $30, %edi\n" /* shmat */
        "    je map_by_syscall\n"
        "    cmpl $67, %edi\n" /* shmdt */
        "    je map_by_syscall\n"
        "    cmpl $329, %edi\n" /* pkey_mprotect */
        "    je map_by_syscall\n"
        "    cmpl $232, %edi\n" /* epoll_wait */
        "    je wait_by_syscall\n"
        "    cmpl $281, %edi\n" /* epoll_pwait */
        "    je wait_by_syscall\n"
        "    cmpl $441, %edi\n" /* epoll_pwait2 */
        "    je wait_by_syscall\n"
        "    cmpl $128, %edi\n" /* rt_sigtimedwait */
        "    je wait_by_syscall\n"
        "    cmpl $208, %edi\n" /* io_getevents */
        "    je wait_by_syscall\n"
        "    cmpl $220, %edi\n" /* semtimedop */
        "    je wait_by_syscall\n"
        "    cmpl $233, %edi\n" /* epoll_ctl */
        "    je kept_by_syscall\n"
        "    cmpl $222, %edi\n" /* timer_create */
        "    je kept_by_syscall\n"
        "    cmpl $244, %edi\n" /* mq_notify */
        "    je kept_by_syscall\n"
        "    cmpl $129, %edi\n" /* rt_sigqueueinfo */
        "    je kept_by_syscall\n"
        "    cmpl $297, %edi\n" /* rt_tgsigqueueinfo */
        "    je kept_by_syscall\n"
        "    cmpl $131, %edi\n" /* sigaltstack */
        "    je kept_by_syscall\n"
        "    cmpl $424, %edi\n" /* pidfd_send_signal */
        "    je kept_by_syscall\n"
        "    cmpl $28, %edi\n" /* madvise */
        "    je kept_by_syscall\n"
        "    jmpq *seccomp_next_syscall(%rip)\n"
        "2:  pushq %rdi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %rsi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %rdx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %rcx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %r8\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %r9\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    subq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    call hook_seccomp\n"
        "    addq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %r9\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %r8\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rcx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rdx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rsi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rdi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    jmp 1b\n"
        "    .cfi_endproc\n"
        ".size syscall, . - syscall\n"
        ".popsection\n");

_Static_assert(SYS_seccomp == 317 && SYS_prctl == 157 && SYS_epoll_ctl == 233 && SYS_timer_create == 222 &&
                   SYS_mq_notify == 244 && SYS_rt_sigqueueinfo == 129 && SYS_rt_tgsigqueueinfo == 297 &&
                   SYS_sigaltstack == 131 && SYS_pidfd_send_signal == 424 && SYS_madvise == 28,
               "as the assembly has them");
