/* living CASE [N]: a program that goes on until its standard input ends; prints "ready PID" when it is to be looked at.
 *
 * - leaks: has lost blocks of 1001, 1002 (20 of them) and 1003 bytes, and one of 1004 that changes, as something that
 *   still has it would do
 * - forks: has lost one of 1001; its child ("child PID") has lost one of 1005
 * - moves: 8 threads move their only pointers to blocks of 1010 and 1011 bytes between registers and memory
 * - server: 8 threads serve requests, each with a session in a list and a few buffers; of every hundredth they forget
 *   one of 1020 bytes, a thousand in all
 * - starts: threads that have blocks of 1012 bytes start and end all the time
 * - kernel: what only a timer (1015 bytes) and an epoll (1016) know of is in use
 * - small: threads with stacks for signals of 8 KiB sleep again and again; "early" if one wakes early, or by EINTR
 * - waits: a thread waits for all signals by sigwaitinfo; "got" if it gets one
 * - filter N: under a filter, set before an exec, that kills for the system call N */
#include <emmintrin.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static void *volatile sink;
static void *block(size_t n) {
    char *p = malloc(n);
    memset(p, 0x33, n);
    return p;
}
static __attribute__((noinline)) void lose(size_t n) {
    sink = block(n);
    sink = NULL;
}
/* What earlier calls have left on the stack and in registers. */
static __attribute__((noinline)) void wipe(void) {
    volatile char room[8192];
    for (size_t i = 0; i < sizeof room; i++) room[i] = 0;
}

static void wait_for_end(void) {
    char c;
    wipe();
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    while (read(0, &c, 1) > 0) {
    }
}

/* The pointer is kept in a form that is none. */
static _Atomic uintptr_t hidden;
static void *change(void *unused) {
    for (uint64_t i = 0;; i++) {
        volatile uint64_t *p = (volatile uint64_t *)~atomic_load(&hidden);
        p[2] = i;
        p = NULL;
        usleep(5000);
    }
    return unused;
}
static __attribute__((noinline)) void hide(void) {
    atomic_store(&hidden, ~(uintptr_t)block(1004));
}

static void leaks(void) {
    pthread_t t;
    lose(1001);
    for (int i = 0; i < 20; i++) lose(1002);
    lose(1003);
    hide();
    pthread_create(&t, NULL, change, NULL);
    wait_for_end();
}

static void forks(void) {
    lose(1001);
    pid_t child = fork();
    if (child != 0) {
        printf("child %d\n", (int)child);
        wait_for_end();
        return;
    }
    lose(1005);
    wipe();
    char c;
    while (read(0, &c, 1) > 0) {
    }
    _exit(0);
}

struct cell {
    void *p;
    char other[120];
};
static void *move(void *unused) {
    struct cell *cells = calloc(64, sizeof *cells);
    register void *a = block(1010), *b;
    for (uint64_t i = 0;; i++) {
        struct cell *here = &cells[i % 64], *there = &cells[(i * 7 + 3) % 64];
        __asm__ volatile("movq %0, %1\n\txorl %k0, %k0\n\tmovq %1, %0\n\tmovq $0, %1" : "+r"(a), "=m"(here->p));
        here->p = a;
        a = NULL;
        __asm__ volatile("" : "+r"(a) : "m"(here->p));
        b = here->p;
        here->p = NULL;
        __m128i vector = _mm_set_epi64x((long long)(uintptr_t)b, 0);
        b = NULL;
        __asm__ volatile("" : "+x"(vector), "+r"(b));
        there->p = (void *)(uintptr_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(vector, vector));
        vector = _mm_setzero_si128();
        __asm__ volatile("" : "+x"(vector) : "m"(there->p));
        a = there->p;
        there->p = NULL;
        if (i % 4096) continue;
        free(a); /* and it is a new one from time to time */
        a = block(1011);
    }
    return unused;
}
static void moves(void) {
    pthread_t t;
    for (int i = 0; i < 8; i++) pthread_create(&t, NULL, move, NULL);
    wait_for_end();
}

struct session {
    struct session *next;
    char *name, *buffers[3];
};
static struct session *sessions[8];
static atomic_int forgotten;

static struct session *begin_session(void) {
    struct session *s = block(sizeof *s);
    s->name = block(24);
    for (int i = 0; i < 3; i++) s->buffers[i] = block(1020);
    return s;
}
static void end_session(struct session *s, int forgets) {
    for (int i = forgets; i < 3; i++) free(s->buffers[i]);
    free(s->name);
    free(s);
}
static void *serve(void *p) {
    struct session **mine = p;
    for (unsigned i = 0;; i++) {
        struct session *s = begin_session();
        s->next = *mine;
        *mine = s;
        int alive = 0;
        for (struct session **at = mine; *at; at = &(*at)->next) {
            if (++alive < 20) continue;
            struct session *last = *at;
            *at = NULL;
            int forgets = i % 100 == 0 && atomic_fetch_add(&forgotten, 1) < 1000;
            end_session(last, forgets);
            break;
        }
        if (i % 64 == 0) usleep(1000);
    }
    return NULL;
}
static void server(void) {
    pthread_t t;
    for (int i = 0; i < 8; i++) pthread_create(&t, NULL, serve, &sessions[i]);
    while (atomic_load(&forgotten) < 1000) usleep(1000);
    wait_for_end();
}

static void kernel(void) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct epoll_event data = {.events = EPOLLIN};
    timer_t timer;
    int fd[2], epoll = epoll_create1(EPOLL_CLOEXEC);
    event.sigev_value.sival_ptr = block(1015);
    data.data.ptr = block(1016);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || pipe(fd) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd[0], &data) != 0)
        abort();
    memset(&event, 0, sizeof event);
    memset(&data, 0, sizeof data);
    wait_for_end();
}

static void *sleep_on_small(void *unused) {
    stack_t small_stack = {.ss_sp = malloc(8192), .ss_size = 8192};
    sigaltstack(&small_stack, NULL);
    for (;;) {
        struct timespec t = {0, 100000000}, begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        int r = nanosleep(&t, NULL);
        clock_gettime(CLOCK_MONOTONIC, &end);
        long us = (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000;
        if (r != 0 || us < 99900) printf("early %d %ld\n", r, us);
    }
    return unused;
}
static void small(void) {
    pthread_t t;
    for (int i = 0; i < 4; i++) pthread_create(&t, NULL, sleep_on_small, NULL);
    wait_for_end();
}

static void *take_signals(void *unused) {
    sigset_t all;
    sigfillset(&all);
    for (;;) printf("got %d\n", sigwaitinfo(&all, NULL));
    return unused;
}
static void waits(void) {
    pthread_t t;
    pthread_create(&t, NULL, take_signals, NULL);
    usleep(50000);
    wait_for_end();
}

static void filter(const char *number, char **argv) {
    if (!number) {
        wait_for_end();
        return;
    }
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)atoi(number), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        abort();
    execl("/proc/self/exe", argv[0], "filter", (char *)NULL);
    abort();
}

static void *live_shortly(void *unused) {
    volatile void *p = block(1012);
    usleep(200);
    free((void *)p);
    return unused;
}
static void *start(void *unused) {
    for (;;) {
        pthread_t t[4];
        for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, live_shortly, NULL);
        for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    }
    return unused;
}
static void starts(void) {
    pthread_t t;
    pthread_create(&t, NULL, start, NULL);
    pthread_create(&t, NULL, start, NULL);
    wait_for_end();
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "leaks") == 0) leaks();
    if (strcmp(name, "forks") == 0) forks();
    if (strcmp(name, "moves") == 0) moves();
    if (strcmp(name, "server") == 0) server();
    if (strcmp(name, "kernel") == 0) kernel();
    if (strcmp(name, "small") == 0) small();
    if (strcmp(name, "waits") == 0) waits();
    if (strcmp(name, "filter") == 0) filter(argc > 2 ? argv[2] : NULL, argv);
    if (strcmp(name, "starts") == 0) starts();
    _exit(0);
}
