/* A program that waits, with blocks of known fates, told apart by size: leaked are those of 1001 to 1009 bytes, what
 * only they lead to has 1101 to 1109, and what has 900 to 999 is in use: by a register alone, by one of the vectors',
 * by a stack, by thread-local storage. With an argument a file is mapped shared, and has the only pointer to a block of
 * 950; or the kernel has the one to a block of 951, or to the 65,432 that signals are handled on. */
#include "tests/shim/lost.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static hidden table[8], chain;
static __thread hidden in_thread;
static pthread_barrier_t ready;

static void *by_register(void *of) {
    pthread_barrier_wait(&ready);
    keep_in_register((uintptr_t)of);
    return NULL;
}

static void *by_vector(void *of) {
    register uintptr_t held __asm__("r12") = (uintptr_t)of;
    pthread_barrier_wait(&ready);
    __asm__ volatile(
        "xor %1, %0\n movq %0, %%xmm7\n pslldq $8, %%xmm7\n xor %0, %0\n1: mov $34, %%eax\n syscall\n jmp 1b"
        : "+r"(held)
        : "r"(LOST_KEY)
        : "rax", "rcx", "r11", "xmm7", "memory");
    return NULL;
}

static void *by_stack(void *unused) {
    hidden local = make(903);
    (void)unused;
    wipe();
    pthread_barrier_wait(&ready);
    for (;;) pause();
    return local;
}

static void *by_storage(void *unused) {
    in_thread = make(904);
    (void)unused;
    wipe();
    pthread_barrier_wait(&ready);
    for (;;) pause();
    return NULL;
}

static APART void lose_some(void) {
    hidden lost = make(1002), a = make(1003), b = make(1103);
    lose(1001);
    ((void **)lost)[0] = make(1101);
    ((void **)((void **)lost)[0])[3] = make(1102);
    ((void **)a)[0] = b; /* a cycle */
    ((void **)b)[0] = a;
    lost = a = b = NULL;
}

static APART void keep_some(void) {
    void **first = make(905), **second = make(906);
    table[0] = first;
    first[7] = (char *)second + 100;
    second[0] = first;
    for (int i = 0; i < 1000; i++) {
        void **node = make(24);
        node[0] = chain;
        chain = node;
    }
}

static APART void share(void) {
    int fd = open("shared", O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, 4096) != 0) abort();
    void **mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    mapped[3] = make(950);
}

/* Calls the kernel by libc's function, by its `syscall`, or with a mark in the pointer. */
static void *marked(void *p, int how) {
    return (void *)((uintptr_t)p | (how == 2 ? (uintptr_t)1 << 60 : 0));
}

static APART void poll_one(int how) {
    int direct = how == 1;
    int ends[2], fd = epoll_create1(0);
    if (fd < 0 || pipe(ends) != 0) abort();
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = marked(make(951), how)}};
    long r = direct ? syscall(SYS_epoll_ctl, fd, EPOLL_CTL_ADD, ends[0], &event)
                    : epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &event);
    if (r != 0) abort();
    memset(&event, 0, sizeof event);
}

static APART void time_one(int how) {
    int direct = how == 1;
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGURG};
    event.sigev_value.sival_ptr = marked(make(951), how);
    int number;
    if ((direct ? syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &number)
                : timer_create(CLOCK_MONOTONIC, &event, &timer)) != 0)
        abort();
    memset(&event, 0, sizeof event);
}

/* To itself, in whose threads it is blocked. */
static APART void signal_one(int direct) {
    union sigval value = {.sival_ptr = marked(make(951), direct == 4 ? 2 : 0)};
    siginfo_t info = {.si_signo = SIGRTMIN, .si_code = SI_QUEUE, .si_pid = getpid(), .si_uid = getuid()};
    info.si_value = value;
    long r = direct == 1   ? syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &info)
             : direct == 2 ? pthread_sigqueue(pthread_self(), SIGRTMIN, value)
             : direct == 3 ? syscall(SYS_pidfd_send_signal, syscall(SYS_pidfd_open, getpid(), 0), SIGRTMIN, &info, 0)
                           : sigqueue(getpid(), SIGRTMIN, value);
    if (r != 0) abort();
    memset(&info, 0, sizeof info);
    memset(&value, 0, sizeof value);
}

static APART void await_message(int direct) {
    char name[64];
    (void)snprintf(name, sizeof name, "/weir.judged.%d", (int)getpid());
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGURG};
    event.sigev_value.sival_ptr = make(951);
    if (mq_unlink(name) != 0 || (direct ? syscall(SYS_mq_notify, queue, &event) : mq_notify(queue, &event)) != 0)
        abort();
    memset(&event, 0, sizeof event);
}

static APART void handle_on_one(int how) {
    stack_t stack = {.ss_sp = make(65432), .ss_size = 65432}, other;
    if (how == 5) { /* it is in force all the same */
        if (sigaltstack(&stack, (stack_t *)8) != -1 || errno != EFAULT) abort();
    } else if ((how == 1 ? syscall(SYS_sigaltstack, &stack, NULL) : sigaltstack(&stack, NULL)) != 0) {
        abort();
    }
    if (sigaltstack(NULL, &other) != 0 || other.ss_sp != stack.ss_sp) abort();
    memset(&stack, 0, sizeof stack);
    memset(&other, 0, sizeof other);
}

static void take_it_away(int unused) {
    static const stack_t none = {.ss_flags = SS_DISABLE};
    (void)unused;
    if (sigaltstack(&none, NULL) != 0) abort();
}

static void *handle_and_end(void *unused) {
    handle_on_one(0);
    wipe();
    return unused;
}

/* By a handler, a child that shares memory, or a thread that ends: what counts is what the kernel has then. */
static void handle_and_change(int how) {
    pthread_t thread;
    if (how == 4) {
        if (pthread_create(&thread, NULL, handle_and_end, NULL) != 0 || pthread_join(thread, NULL) != 0) abort();
        return;
    }
    handle_on_one(how);
    if (how == 2) {
        (void)signal(SIGUSR1, take_it_away);
        (void)raise(SIGUSR1);
    }
    if (how == 3 && vfork() == 0) {
        take_it_away(0);
        _exit(0);
    }
}

int main(int argc, char **argv) {
    static void *(*const ways[])(void *) = {by_register, by_vector, by_stack, by_storage};
    pthread_t thread;
    void *of[4] = {(void *)make_changed(901)};
    of[1] = (void *)make_changed(902);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    (void)pthread_barrier_init(&ready, NULL, 5);
    for (size_t i = 0; i < 4; i++)
        if (pthread_create(&thread, NULL, ways[i], of[i]) != 0) abort();
    pthread_barrier_wait(&ready);
    lose_some();
    keep_some();
    const char *what = argc > 1 ? argv[1] : "";
    int direct = argc > 2 ? atoi(argv[2]) : 0;
    if (strcmp(what, "shares") == 0) share();
    if (strcmp(what, "polls") == 0) poll_one(direct);
    if (strcmp(what, "times") == 0) time_one(direct);
    if (strcmp(what, "signals") == 0) signal_one(direct);
    if (strcmp(what, "awaits") == 0) await_message(direct);
    if (strcmp(what, "handles") == 0) handle_and_change(direct);
    usleep(100000);
    wipe();
    printf("ready\n");
    fflush(stdout);
    for (;;) pause();
}
