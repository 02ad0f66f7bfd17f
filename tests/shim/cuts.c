/* Forks at any instruction: cuts [N]. A thread allocates, touches and frees with the processor's trap flag set; at
 * random instructions of weir's it holds still, the main thread forks, and threads of the child take over what that
 * thread had, check it, free it, and go on. Prints "N cuts". */
#include "shim/weir.h"
#include "stepping.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

#define BLOCKS 64
#define ONE_IN 60 /* instructions, on average, are let pass before a cut */

/* Whose blocks: all live at any moment but the one that is being worked on, which is not in the table. */
struct table {
    unsigned char *volatile p[BLOCKS];
    unsigned random;
    unsigned char tag;
};
static struct table stepped = {.random = 1, .tag = 0x11}, handed = {.random = 2, .tag = 0x22};
static struct stepped weir;
static atomic_int held, stop;
static __thread bool steps;

static void step(bool on) {
    if (steps) stepping_trap(on);
}

static unsigned next_random(unsigned *state) {
    *state = *state * 1103515245 + 12345;
    return *state >> 8;
}

static void broken(const char *what) {
    fprintf(stderr, "%s\n", what);
    abort();
}

static void drop(struct table *t, unsigned k) {
    unsigned char *p = t->p[k];
    if (!p) return;
    if (p[0] != t->tag || p[15] != t->tag) broken("another's bytes in a block");
    t->p[k] = NULL;
    step(true);
    free(p);
    step(false);
}

static void fill(struct table *t, unsigned k) {
    unsigned n = next_random(&t->random);
    size_t size = n % 64 == 0 ? 70000 + n % 100000 : n % 8 == 0 ? 2000 + n % 9000 : 64 + n % 700;
    step(true);
    unsigned char *p = malloc(size);
    if (n % 4 == 0) p = realloc(p, size / 4 + n % 5000); /* and what is recorded of that, and moves */
    if (n % 3 == 0) weir_touch(p, "cut");
    step(false);
    if (!p) broken("refused");
    p[0] = p[15] = t->tag;
    t->p[k] = p;
}

static void churn(struct table *t, int n) {
    for (int i = 0; i < n; i++) {
        unsigned k = next_random(&t->random) % BLOCKS;
        drop(t, k);
        fill(t, k);
    }
}

static void on_trap(int number, siginfo_t *info, void *context) {
    static unsigned random = 3;
    uintptr_t at = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    (void)number;
    (void)info;
    if (at < weir.low || at >= weir.high || next_random(&random) % ONE_IN != 0) return;
    held = 1;
    while (held && !stop) sched_yield();
}

/* Frees what main made as well. */
static void *work(void *unused) {
    steps = true;
    while (!stop) {
        churn(&stepped, 1);
        drop(&handed, next_random(&stepped.random) % BLOCKS);
    }
    return unused;
}

static void *succeed(void *argument) {
    struct table own = {.random = (unsigned)getpid(), .tag = (unsigned char)(uintptr_t)argument};
    churn(&own, 100);
    for (unsigned k = 0; own.tag == 1 && k < BLOCKS; k++) drop(&stepped, k);
    for (unsigned k = 0; own.tag == 2 && k < BLOCKS; k++) drop(&handed, k);
    churn(&own, 300);
    for (unsigned k = 0; k < BLOCKS; k++) drop(&own, k);
    return NULL;
}

static _Noreturn void child(void) {
    pthread_t t[3];
    for (uintptr_t i = 0; i < 3; i++)
        if (pthread_create(&t[i], NULL, succeed, (void *)(i + 1)) != 0) abort();
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    _exit(0);
}

int main(int argc, char **argv) {
    int cuts = argc > 1 ? atoi(argv[1]) : 300;
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    weir.pid = getpid();
    if (!stepping_find_weir(&weir)) return 2;
    sigaction(SIGTRAP, &action, NULL);
    pthread_t t;
    if (pthread_create(&t, NULL, work, NULL) != 0) return 2;
    for (int i = 0; i < cuts; i++) {
        while (!held) sched_yield();
        for (unsigned k = 0; k < BLOCKS; k++)
            if (!handed.p[k]) fill(&handed, k);
        pid_t pid = fork();
        if (pid == 0) child();
        int status;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
            fprintf(stderr, "cut %d: the child ended with %#x\n", i, (unsigned)status);
            return 1;
        }
        held = 0;
    }
    stop = 1;
    pthread_join(t, NULL);
    printf("%d cuts\n", cuts);
    return 0;
}
