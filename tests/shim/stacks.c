/* Allocates on stacks of every kind, from code without unwind information whose frame pointer points to where nothing
 * is mapped (any more). stacks WHAT; ends with 0 if it lives. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK ((size_t)64 << 10)

/* Three stacks without a guard between them: two coroutines', and above them a thread's. */
static char *lower, *upper, *whole;

static void make_stacks(void) {
    lower = mmap(NULL, 3 * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (lower == MAP_FAILED) abort();
    upper = lower + STACK;
    whole = upper + STACK;
}

__attribute__((noinline)) static void allocate(size_t n) {
    char *volatile p = malloc(n);
    if (!p) abort();
    p[0] = 1;
    free(p);
}

/* --- code as a JIT makes it: push %rbp; mov %rdi, %rbp; call *%rsi; pop %rbp; ret --- */

static void (*jit)(const void *frame_pointer, void (*f)(void));

static void make_jit(void) {
    static const unsigned char code[] = {0x55, 0x48, 0x89, 0xfd, 0xff, 0xd6, 0x5d, 0xc3};
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) abort();
    memcpy(page, code, sizeof code);
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0) abort();
    *(void **)&jit = page;
}

static void allocate_some(void) {
    allocate(100);
}

/* --- the coroutines --- */

static ucontext_t of_thread, of_coroutine;

static void run_on(char *stack, size_t size, void (*f)(void)) {
    if (getcontext(&of_coroutine) != 0) abort();
    of_coroutine.uc_stack.ss_sp = stack;
    of_coroutine.uc_stack.ss_size = size;
    of_coroutine.uc_link = &of_thread;
    makecontext(&of_coroutine, f, 0);
    if (swapcontext(&of_thread, &of_coroutine) != 0) abort();
}

static void *on_thread_stack(void (*f)(void)) {
    pthread_attr_t attributes;
    pthread_t t;
    make_stacks();
    pthread_attr_init(&attributes);
    if (pthread_attr_setstack(&attributes, whole, STACK) != 0) abort();
    void *(*entry)(void *) = NULL;
    *(void **)&entry = (void *)f;
    if (pthread_create(&t, &attributes, entry, NULL) != 0) abort();
    pthread_join(t, NULL);
    return NULL;
}

static void use_lower(void) {
    allocate(50);
    jit(upper + STACK / 2, allocate_some); /* it is mapped as yet */
    if (munmap(upper, STACK) != 0) abort();
    for (size_t i = 0; i < STACK; i += 4096) jit(upper + i, allocate_some);
}
static void neighbours(void) {
    allocate(10);
    run_on(upper, STACK, allocate_some);
    run_on(lower, STACK, use_lower);
}

/* The thread itself, while what was below it is gone and comes back shorter. */
static void use_shorter(void) {
    for (size_t i = 0; i < STACK; i += 4096) jit(lower + i, allocate_some);
}
static void shorter(void) {
    run_on(lower, STACK, allocate_some);
    if (munmap(lower + STACK / 2, STACK / 2) != 0) abort();
    run_on(lower, STACK / 2, use_shorter);
    for (size_t i = 0; i < 2 * STACK; i += 4096) jit(lower + i, allocate_some);
}

/* A coroutine that was begun by a `ret` on an empty stack: its caller's address would lie above its end. */
static void *stack_of_thread;
__attribute__((force_align_arg_pointer)) static void begun_by_ret(void) {
    static int rounds;
    if (rounds++ > 0 && munmap(upper, STACK) != 0) abort();
    for (int i = 0; i < 3; i++) allocate(100);
    __asm__ volatile("movq %0, %%rsp\n\tret" : : "r"(stack_of_thread) : "memory");
    __builtin_unreachable();
}
void begin_by_ret(char *top, void (*f)(void), void **stack_of_caller);
__asm__(".pushsection .text\n"
        "begin_by_ret:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    leaq 1f(%rip), %rax\n"
        "    pushq %rax\n"
        "    movq %rsp, (%rdx)\n"
        "    leaq -8(%rdi), %rsp\n"
        "    movq %rsi, (%rsp)\n"
        "    ret\n"
        "1:  popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".popsection\n");
static void overshooting(void) {
    begin_by_ret(upper, begun_by_ret, &stack_of_thread);
    begin_by_ret(upper, begun_by_ret, &stack_of_thread);
}

/* --- filters --- */

static void refuse(const int *calls, size_t n) {
    struct sock_filter filter[16] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    unsigned short length = 1;
    for (size_t i = 0; i < n; i++) {
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {length, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        abort();
}

static void nowhere(void) {
    if (munmap(lower, 2 * STACK) != 0) abort();
    char *hole = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (hole == MAP_FAILED || munmap(hole, STACK) != 0) abort();
    char *here = __builtin_frame_address(0);
    for (size_t i = 0; i < STACK; i += 4096) {
        jit(hole + i, allocate_some);
        jit(here + i, allocate_some); /* on and beyond the end of this stack */
    }
}
static void mask_refused(void) {
    static const int calls[] = {SYS_rt_sigprocmask};
    refuse(calls, 1);
    nowhere();
}
static void refuse_and_use_lower(void) {
    static const int calls[] = {SYS_rt_sigprocmask, SYS_futex, SYS_process_vm_readv};
    refuse(calls, 3);
    use_lower();
    _exit(0); /* a thread that joins this one would need its futex */
}
static void all_looks_refused(void) {
    run_on(lower, STACK, refuse_and_use_lower);
}

/* What is below the program's break is libc's own. Nobody knows where it is. */
static void break_refused(void) {
    static const int calls[] = {SYS_brk};
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) abort();
    refuse(calls, 1);
    free(page + 64);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    make_jit();
    if (strcmp(what, "neighbours") == 0)
        on_thread_stack(neighbours);
    else if (strcmp(what, "shorter") == 0)
        on_thread_stack(shorter);
    else if (strcmp(what, "overshooting") == 0)
        on_thread_stack(overshooting);
    else if (strcmp(what, "mask_refused") == 0)
        on_thread_stack(mask_refused);
    else if (strcmp(what, "all_looks_refused") == 0)
        on_thread_stack(all_looks_refused);
    else if (strcmp(what, "break_refused") == 0)
        break_refused();
    else
        return 2;
    return 0;
}
