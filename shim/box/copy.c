/* See copy.h. A copy must be a child of somebody, and whoever that is must not see it: a master that waits for its
 * workers would get a process that it never started.
 *
 * A child that sends no signal when it ends is seen by no wait but those that ask for such (__WCLONE, __WALL). So the
 * copy is one of the program's own, and is reaped by its id at the next dump, and at the program's end, for as long as
 * which it is a zombie. If the program ended first, the kernel would give the copy to who adopts orphans, and make it
 * an ordinary child there: hence the wait at the end.
 *
 * Where the machine's init adopts, whose work that is, the copy is an orphan from the start, and no zombie is left: a
 * helper that shares memory (CLONE_VM | CLONE_VFORK) does two system calls, clone without CLONE_VM, and exit. The
 * helper is reaped at once. Process 1 of any other namespace is somebody's program. Which ancestor has asked for
 * orphans (PR_SET_CHILD_SUBREAPER) the kernel tells nobody; one that is under weir is seen to, and its forks inherit
 * that. Others are service managers, who are made for it.
 *
 * In either way the thread pauses for as long as the kernel takes to copy the page tables; no other thread is stopped,
 * no lock is waited for, and what a signal interrupted may be anything. */
#include "shim/box/copy.h"
#include "shim/base/sys.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define COPIES_MAX   16
#define END_WAIT     5000        /* ms */
#define INITIAL_PIDS 0xEFFFFFFCu /* inode of the machine's own process namespace (PROC_PID_INIT_INO) */
#define EINVAL_      22
#define EAGAIN_      11

static _Atomic uint32_t copies[COPIES_MAX]; /* to be reaped; 0: none */
static _Atomic bool over;
static bool below_adopter; /* this process or one that it was forked from, by however many, has asked for orphans */

/* The inode of one of the thread's namespaces, 0: it has none yet. */
static uint64_t namespace(const char *path) {
    struct stat st;
    return sys4(SYS_newfstatat, AT_FDCWD, (long)path, (long)&st, 0) == 0 ? st.st_ino : 0;
}

/* After unshare(CLONE_NEWPID) the first child is the new namespace's init: with its end all that follow are refused,
 * and those after it belong to it. */
static bool children_go_elsewhere(uint64_t own) {
    return own != 0 && namespace("/proc/thread-self/ns/pid_for_children") != own;
}

static bool init_adopts(uint64_t own) {
    int adopts = 0; /* also what was asked for before an exec */
    (void)sys5(SYS_prctl, PR_GET_CHILD_SUBREAPER, (long)&adopts, 0, 0, 0);
    return own == INITIAL_PIDS && !adopts && !below_adopter && sys_getpid() != 1;
}

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
    if (result > 0) (void)sys4(SYS_wait4, result, 0, (long)__WCLONE, 0);
    return result;
}

static _Atomic uint32_t *free_slot(void) {
    for (size_t i = 0; i < COPIES_MAX; i++) {
        uint32_t none = 0; /* an id that no process has, until there is one */
        if (atomic_compare_exchange_strong_explicit(&copies[i], &none, UINT32_MAX, memory_order_relaxed,
                                                    memory_order_relaxed)) {
            return &copies[i];
        }
    }
    return NULL;
}

static long copy_as_child(void) {
    _Atomic uint32_t *slot = free_slot();
    if (!slot) return -EAGAIN_;
    long id = sys5(SYS_clone, 0, 0, 0, 0, 0);
    if (id != 0) atomic_store_explicit(slot, sys_failed(id) ? 0 : (uint32_t)id, memory_order_relaxed);
    return id;
}

/* What the calls above do, a filter of the program's must let pass. */
static bool is_permitted(void) {
    return FILTER_ALLOWS(SYS_clone, CLONE_VM | CLONE_VFORK, 0, 0) && FILTER_ALLOWS(SYS_clone, 0, 0, 0) &&
           FILTER_ALLOWS(SYS_exit, 0, 0, 0) && FILTER_ALLOWS(SYS_wait4, 0, 0, 0);
}

bool copy_any(void) {
    bool any = false;
    for (size_t i = 0; i < COPIES_MAX; i++) any |= atomic_load_explicit(&copies[i], memory_order_relaxed) != 0;
    return any;
}

/* True while there is one that has not ended. */
static bool reap(_Atomic uint32_t *slot) {
    uint32_t id = atomic_load_explicit(slot, memory_order_relaxed);
    if (id == 0 || id == UINT32_MAX) return false;
    if (sys4(SYS_wait4, (long)id, 0, WNOHANG | (long)__WCLONE, 0) == 0) return true;
    (void)atomic_compare_exchange_strong_explicit(slot, &id, 0, memory_order_relaxed, memory_order_relaxed);
    return false;
}

static bool reap_all(void) {
    bool any = false;
    for (size_t i = 0; i < COPIES_MAX; i++) any |= reap(&copies[i]);
    return any;
}

long copy_make(void) {
    (void)reap_all();
    uint64_t own = namespace("/proc/self/ns/pid");
    if (!is_permitted() || children_go_elsewhere(own)) return -EINVAL_;
    return init_adopts(own) ? copy_through_helper() : copy_as_child();
}

long copy_make_waiting(int *status) {
    if (!FILTER_ALLOWS(SYS_clone, CLONE_VFORK, 0, 0) || !FILTER_ALLOWS(SYS_wait4, 0, 0, 0)) return -EINVAL_;
    long id = sys5(SYS_clone, CLONE_VFORK, 0, 0, 0, 0);
    if (id > 0 && sys4(SYS_wait4, id, (long)status, (long)__WCLONE, 0) != id) *status = -1;
    return id;
}

void copy_end(void) {
    atomic_store_explicit(&over, true, memory_order_relaxed);
    for (int ms = 0; reap_all() && ms < END_WAIT; ms++) sys_pause(1000000);
}

void copy_go_on(void) {
    atomic_store_explicit(&over, false, memory_order_relaxed);
}

bool copies_are_over(void) {
    return atomic_load_explicit(&over, memory_order_relaxed);
}

void copy_adopters_seen(void) {
    below_adopter = true;
}

void copy_forked(void) {
    copy_go_on();
    for (size_t i = 0; i < COPIES_MAX; i++) atomic_store_explicit(&copies[i], 0, memory_order_relaxed);
}
