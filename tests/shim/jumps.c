/* jumps HOW: a handler that interrupted malloc leaves by siglongjmp, thousands of times; the thread, and others, go on.
 * HOW is hits (small blocks), slow (blocks of all sizes, other threads' frees), waits (large ones; after each jump it
 * allocates nothing before another thread has), exits (the handler ends the process, a child at a time, and exit
 * handlers wait for another thread), or nested (the handler allocates for ever). */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum how { HITS, SLOW, WAITS };
static sigjmp_buf back;
static volatile sig_atomic_t jumps, may_jump, failures;
static enum how how;
static sem_t may_go, has_been;

static void handle(int number) {
    (void)number;
    if (!may_jump) return;
    may_jump = 0;
    siglongjmp(back, 1);
}

static void *volatile held[64];

static void work(unsigned i) {
    unsigned mixed = i * 2654435761u;
    size_t n = how == HITS ? 40 : how == WAITS ? mixed % 3000000 : (mixed % (i % 16 == 0 ? 300000 : 3000)) + 1;
    void *p = malloc(n);
    if (!p) {
        failures = failures + 1;
        return;
    }
    memset(p, 1, n < 64 ? n : 64);
    void *old = held[i % 64];
    held[i % 64] = NULL; /* first: a jump out of free leaks it, no more */
    free(old);
    held[i % 64] = p;
}

static void *other(void *unused) {
    for (int i = 0; i < 20000; i++) free(malloc((size_t)i));
    return unused;
}

static void *wait_and_work(void *unused) {
    for (;;) {
        sem_wait(&may_go);
        for (size_t n = 100; n < 8000000; n *= 5) free(malloc(n));
        sem_post(&has_been);
    }
    return unused;
}

static int start_other(pthread_t *thread) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* the jumps are this thread's */
    int error = pthread_create(thread, NULL, wait_and_work, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

/* --- exits --- */

static void wait_for_other(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    sem_post(&may_go);
    if (sem_timedwait(&has_been, &until) != 0) _exit(4);
    for (size_t n = 1; n < 8000000; n *= 3) free(malloc(n));
}

static void end(int number) {
    (void)number;
    exit(3);
}

static void exit_in_handler(int round) {
    pthread_t thread;
    struct itimerval once = {{0, 0}, {0, 300 + round * 7}};
    if (start_other(&thread) != 0 || atexit(wait_for_other) != 0) exit(2);
    signal(SIGALRM, end);
    setitimer(ITIMER_REAL, &once, NULL);
    for (unsigned i = 0;;) work(i++);
}

static int exits(void) {
    int ended = 0, status;
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();
        if (pid == 0) exit_in_handler(i);
        ended += waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3;
    }
    printf("%d ended, %d failures\n", ended, 100 - ended);
    return ended != 100;
}

/* --- jumps --- */

/* A handler that allocates what is not freed: all that is set aside is used up, and it is told. */
static void use_up(int number) {
    (void)number;
    for (int i = 0; i < 300 && failures == 0; i++)
        if (!malloc(900)) failures = failures + 1;
}

static int nested(void) {
    struct itimerval tick = {{0, 1000}, {0, 1000}};
    signal(SIGALRM, use_up);
    setitimer(ITIMER_REAL, &tick, NULL);
    for (unsigned i = 0; failures == 0; i++) free(malloc(i % 3000));
    memset(&tick, 0, sizeof tick);
    setitimer(ITIMER_REAL, &tick, NULL);
    puts("went on");
    return 0;
}

int main(int argc, char **argv) {
    struct itimerval tick = {{0, 200}, {0, 200}};
    const char *word = argc > 1 ? argv[1] : "slow";
    pthread_t thread;
    how = strcmp(word, "hits") == 0 ? HITS : strcmp(word, "slow") == 0 ? SLOW : WAITS;
    if (strcmp(word, "nested") == 0) return nested();
    if (strcmp(word, "exits") == 0) return exits();
    if (how == WAITS && start_other(&thread) != 0) return 2;
    int wanted = how == WAITS ? 300 : 1000;
    signal(SIGALRM, handle);
    setitimer(ITIMER_REAL, &tick, NULL);
    unsigned i = 0;
    while (jumps < wanted) {
        if (sigsetjmp(back, 1)) {
            jumps = jumps + 1;
            if (how == WAITS) sem_post(&may_go);
            while (how == WAITS && sem_wait(&has_been) != 0) {
            }
            continue;
        }
        may_jump = 1;
        for (unsigned end = i + 2000; i < end;) work(i++);
        may_jump = 0;
    }
    memset(&tick, 0, sizeof tick);
    setitimer(ITIMER_REAL, &tick, NULL);
    for (unsigned k = 0; k < (how == WAITS ? 1000 : 100000); k++) work(k);
    if (pthread_create(&thread, NULL, other, NULL) != 0 || pthread_join(thread, NULL) != 0) return 2;
    printf("%d jumps, %d failures\n", (int)jumps, (int)failures);
    return failures > 0;
}
