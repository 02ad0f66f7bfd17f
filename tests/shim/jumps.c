/* jumps HOW: a handler that interrupted malloc leaves by siglongjmp, thousands of times; the thread, and others, go on.
 * HOW is hits (small blocks), slow (blocks of all sizes, other threads' frees) or nested (the handler allocates for
 * ever). */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { JUMPS = 1000 };
static sigjmp_buf back;
static volatile sig_atomic_t jumps, may_jump, failures;
static int how;

static void handle(int number) {
    (void)number;
    if (!may_jump) return;
    may_jump = 0;
    siglongjmp(back, 1);
}

static void *volatile held[64];

static void work(unsigned i) {
    size_t n = how == 0 ? 40 : (size_t)(i * 2654435761u) % (i % 16 == 0 ? 300000 : 3000) + 1;
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
    how = argc > 1 && strcmp(argv[1], "hits") == 0 ? 0 : 1;
    if (argc > 1 && strcmp(argv[1], "nested") == 0) return nested();
    signal(SIGALRM, handle);
    setitimer(ITIMER_REAL, &tick, NULL);
    unsigned i = 0;
    while (jumps < JUMPS) {
        if (sigsetjmp(back, 1)) {
            jumps = jumps + 1;
            continue;
        }
        may_jump = 1;
        for (unsigned end = i + 2000; i < end;) work(i++);
        may_jump = 0;
    }
    memset(&tick, 0, sizeof tick);
    setitimer(ITIMER_REAL, &tick, NULL);
    for (unsigned k = 0; k < 100000; k++) work(k);
    pthread_t thread;
    if (pthread_create(&thread, NULL, other, NULL) != 0 || pthread_join(thread, NULL) != 0) return 2;
    printf("%d jumps, %d failures\n", (int)jumps, (int)failures);
    return failures > 0;
}
