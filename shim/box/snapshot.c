/* The dump signal; see snapshot.h.
 *
 * The handler makes a helper that shares memory (CLONE_VM | CLONE_VFORK) and does two system calls: clone without
 * CLONE_VM, which copies the address space as it is at that instant, and exit. So the copy is nobody's child that the
 * program could wait for: its parent is gone, and it belongs to init. The helper itself sends no signal when it ends
 * and is reaped here at once by its id. The thread pauses for as long as the kernel takes to copy the page tables; no
 * other thread is stopped, no lock is waited for, and what the signal interrupted may be anything.
 *
 * Where the program is itself what orphans go to (process 1 of a container, a subreaper), the copy is made directly,
 * also without a signal at its end; it is reaped by its id at the next dump or at exit. */
#include "shim/box/snapshot.h"
#include "shim/base/lock.h"
#include "shim/base/options.h"
#include "shim/base/stack.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/dump.h"
#include "shim/ceiling/ceiling.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static _Atomic uint32_t direct_copy; /* a copy that is to be reaped, 0: none */

/* 0 in the copy; in the program the id of the helper, which has ended by then, or a negative errno. */
static long copy_through_helper(void) {
    long result, flags = CLONE_VM | CLONE_VFORK;
    /* In the helper the stack is the program's, which waits in clone: so it touches registers only. */
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "mov %[clone], %%eax\n\t"
                     "xor %%edi, %%edi\n\t"
                     "syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jz 1f\n\t"
                     "mov %[exit], %%eax\n\t"
                     "xor %%edi, %%edi\n\t"
                     "syscall\n\t"
                     "ud2\n"
                     "1:"
                     : "=a"(result), "+D"(flags)
                     : "a"((long)SYS_clone), "S"(0L), "d"(0L), [clone] "i"(SYS_clone), [exit] "i"(SYS_exit)
                     : "rcx", "r8", "r9", "r10", "r11", "memory");
    return result;
}

static bool adopts_orphans(void) {
    int subreaper = 0;
    (void)sys5(SYS_prctl, PR_GET_CHILD_SUBREAPER, (long)&subreaper, 0, 0, 0);
    return subreaper || sys_getpid() == 1;
}

static void reap_direct_copy(void) {
    uint32_t id = atomic_exchange_explicit(&direct_copy, 0, memory_order_relaxed);
    if (id && sys4(SYS_wait4, (long)id, 0, WNOHANG | (long)__WCLONE, 0) == 0) {
        atomic_store_explicit(&direct_copy, id, memory_order_relaxed);
    }
}

/* Tells who asked by `weir dump`: a file DIR/weir.PID.COOKIE.reply, renamed into place so that it is whole. */
static void reply(uint32_t pid, uint32_t cookie, const char *path, long error) {
    struct text name = {0}, t = {0};
    char temporary[sizeof name.at + 8];
    const char *folder = options.box_dir;
    if (!folder) folder = sys2(SYS_access, (long)"/dev/shm", 2) == 0 ? "/dev/shm" : "/tmp";
    text_add(&name, folder);
    text_add(&name, "/weir.");
    text_add_number(&name, pid);
    text_add(&name, ".");
    text_add_number(&name, cookie);
    mem_copy(temporary, name.at, name.length);
    mem_copy(temporary + name.length, ".part", 6);
    text_add(&name, ".reply");
    name.at[name.length] = 0;
    if (error == 0) {
        text_add(&t, "ok ");
        text_add(&t, path);
    } else {
        text_add(&t, "error the dump could not be written to ");
        text_add(&t, path);
        text_add(&t, " (error ");
        text_add_number(&t, (uint64_t)-error);
        text_add(&t, ")");
    }
    t.at[t.length++] = '\n';
    long fd = sys4(SYS_openat, AT_FDCWD, (long)temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (sys_failed(fd)) return;
    long written = sys3(SYS_write, fd, (long)t.at, (long)t.length);
    (void)sys1(SYS_close, fd);
    if (written == (long)t.length)
        (void)sys2(SYS_rename, (long)temporary, (long)name.at);
    else
        (void)sys3(SYS_unlinkat, AT_FDCWD, (long)temporary, 0);
}

struct order {
    enum dump_reason reason;
    uint32_t pid, cookie;
};

static void write_in_copy(void *argument) {
    const struct order *o = argument;
    /* The program's pipes and sockets must see their ends close when the program closes them. */
    (void)sys3(SYS_close_range, 0, 1, 0);
    (void)sys3(SYS_close_range, 3, ~0u, 0);
    long error = dump_write(o->reason, DUMP_STATUS_UNKNOWN, o->pid);
    if (o->cookie) reply(o->pid, o->cookie, dump_path, error);
    sys_exit_group(0);
}

/* Apart, so that its line is not on the stack of a handler that has little. */
static NOINLINE void say_that_it_failed(long error) {
    struct text t = {0};
    text_add(&t, "weir: no dump: the process could not be copied (error ");
    text_add_number(&t, (uint64_t)-error);
    text_add(&t, ")");
    message_send(&t);
}

static bool may_copy(void) {
    filter_look();
    return dump_is_permitted() && FILTER_ALLOWS(SYS_clone, CLONE_VM | CLONE_VFORK, 0, 0) &&
           FILTER_ALLOWS(SYS_clone, 0, 0, 0) && FILTER_ALLOWS(SYS_exit, 0, 0, 0) && FILTER_ALLOWS(SYS_wait4, 0, 0, 0);
}

static void take_snapshot(enum dump_reason reason, uint32_t cookie) {
    if (!may_copy()) return; /* a filter of the program's forbids it, as was said */
    uint64_t all = ~0ull, before;
    uint32_t pid = sys_getpid();
    dump_count();
    (void)sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, 8);
    reap_direct_copy();
    bool direct = adopts_orphans();
    long id = direct ? sys5(SYS_clone, 0, 0, 0, 0, 0) : copy_through_helper();
    struct order order = {reason, pid, cookie};
    if (id == 0) stack_call(write_in_copy, &order);
    if (!sys_failed(id)) {
        if (direct)
            atomic_store_explicit(&direct_copy, (uint32_t)id, memory_order_relaxed);
        else
            (void)sys4(SYS_wait4, id, 0, (long)__WCLONE, 0);
    }
    (void)sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, 8);
    if (sys_failed(id)) say_that_it_failed(id);
}

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    /* A vfork child runs in its parent's memory: the parent gets signals of its own. */
    if (lock_process() == PROCESS_BORROWER) return;
    take_snapshot(DUMP_AT_SIGNAL, info->si_code == SI_QUEUE ? (uint32_t)info->si_value.sival_int : 0);
}

static void at_limit(void) {
    if (lock_process() == PROCESS_OWNER) take_snapshot(DUMP_AT_LIMIT, 0);
}

void snapshot_start(void) {
    struct sigaction now, mine = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    if (options.dump_at & DUMP_ON_LIMIT) ceiling_dump = at_limit;
    if (options.signal == 0 || !(options.dump_at & DUMP_ON_SIGNAL)) return;
    if (sigaction(options.signal, NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL) return;
    (void)sigaction(options.signal, &mine, NULL);
}
