/* Threads that end in the middle of malloc and free: cancelled HOW WHEN [THREADS].
 *   cancel    their type of cancellation is asynchronous, and they are cancelled
 *   exit      a signal handler of theirs calls pthread_exit
 *   sometime  two at a time, at random moments
 *   anywhere  one at a time, at a random instruction of weir's
 * They allocate and free blocks of all sizes, and so do their cleanup handlers. What they held is freed by the main
 * thread. Prints how many came to their end as they should, how many runs of theirs nobody has any more, and how much
 * more memory is retained than after half of them. */
#include "stepping.h"

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { WORKERS = 2, SLOTS = 32, STEPS_MAX = 1000, WARM_MAX = 300 };

static void *volatile slots[WORKERS][SLOTS];
static atomic_int running[WORKERS], held, steps_left;
static atomic_uint cleaned;
static unsigned random_state = 1;
static bool exits, anywhere, steps;
static struct stepped weir;

static unsigned next_random(unsigned *state) {
    *state = *state * 1103515245 + 12345;
    return *state >> 8;
}

static size_t size_of(unsigned n) {
    return n % 16 == 0 ? 65537 + n % 300000 : n % 4 == 0 ? 1000 + n % 30000 : n % 1000;
}

/* --- at an instruction --- */

static void step(bool on) {
    if (steps) stepping_trap(on);
}

/* With the other signals held, so that they come where this returns to. */
static void on_trap(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    uintptr_t at = (uintptr_t)registers[REG_RIP];
    (void)number;
    (void)info;
    if (at < weir.low || at >= weir.high || steps_left-- > 0) return;
    steps = false;
    registers[REG_EFL] &= ~STEPPING_FLAG;
    held = 1;
    while (held) sched_yield();
}

static bool prepare_to_step(void) {
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    struct {
        void *handler;
        unsigned long flags;
        void *restorer;
        unsigned long mask;
    } now;
    weir.pid = getpid();
    sigaction(SIGTRAP, &action, NULL);
    /* sigaction knows nothing of that signal. */
    if (syscall(SYS_rt_sigaction, SIGTRAP, NULL, &now, sizeof now.mask) != 0) return false;
    now.mask = ~0ul;
    return syscall(SYS_rt_sigaction, SIGTRAP, &now, NULL, sizeof now.mask) == 0 && stepping_find_weir(&weir);
}

/* --- the threads --- */

static void give(void *p) {
    step(true);
    free(p);
    step(false);
}

static void *take(size_t n) {
    step(true);
    void *p = malloc(n);
    step(false);
    if (!p) abort();
    return p;
}

/* Taken out of the slot first: a thread that ends between the two loses a block, no more. */
static void work(unsigned *state, unsigned worker) {
    unsigned n = next_random(state), k = n % SLOTS;
    void *old = slots[worker][k];
    slots[worker][k] = NULL;
    give(old);
    slots[worker][k] = take(size_of(next_random(state)));
    if (n % 16 == 0) {
        void *p = take(n % 100);
        step(true);
        void *q = realloc(p, n % 3000 + 1);
        step(false);
        give(q);
    }
}

static void clean(void *state) {
    for (int i = 0; i < 40; i++) {
        void *p = malloc(size_of(next_random(state)));
        if (!p) abort();
        free(p);
    }
    cleaned++;
}

static void leave(int number) {
    pthread_exit((void *)(long)number);
}

static void *run(void *argument) {
    static unsigned states[WORKERS];
    unsigned worker = (unsigned)(long)argument, *state = &states[worker];
    int before;
    *state = worker + random_state;
    pthread_cleanup_push(clean, state);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &before);
    running[worker] = 1;
    for (unsigned n = anywhere ? *state % WARM_MAX : 0; n > 0; n--) work(state, worker);
    steps = anywhere;
    for (;;) work(state, worker);
    pthread_cleanup_pop(0);
    return NULL;
}

/* --- their ends --- */

static void pass_ns(long n) {
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec < n);
}

static bool end_thread(pthread_t t, int worker) {
    while (!running[worker]) sched_yield();
    if (!anywhere) pass_ns(next_random(&random_state) % 200000);
    while (anywhere && !held) sched_yield();
    bool ok = (exits ? pthread_kill(t, SIGUSR1) : pthread_cancel(t)) == 0;
    held = 0;
    return ok;
}

static int play(int workers) {
    void *expected = !exits ? PTHREAD_CANCELED : (void *)(long)SIGUSR1, *result;
    pthread_t t[WORKERS];
    int ended = 0;
    for (int i = 0; i < workers; i++) {
        random_state++;
        running[i] = 0;
        steps_left = (int)(next_random(&random_state) % STEPS_MAX);
        if (pthread_create(&t[i], NULL, run, (void *)(long)i) != 0) exit(2);
    }
    for (int i = 0; i < workers; i++)
        if (!end_thread(t[i], i)) exit(2);
    for (int i = 0; i < workers; i++) {
        if (pthread_join(t[i], &result) != 0) exit(2);
        ended += result == expected;
        for (int k = 0; k < SLOTS; k++) {
            free(slots[i][k]);
            slots[i][k] = NULL;
        }
    }
    return ended;
}

static size_t retained(void) {
    struct mallinfo2 m = mallinfo2();
    return m.arena - m.uordblks;
}

int main(int argc, char **argv) {
    int threads = argc > 3 ? atoi(argv[3]) : 1000, ended = 0;
    exits = argc > 1 && strcmp(argv[1], "exit") == 0;
    anywhere = argc > 2 && strcmp(argv[2], "anywhere") == 0;
    signal(SIGUSR1, leave);
    if (anywhere && !prepare_to_step()) return 2;
    size_t runs = mallinfo2().hblks, half = 0;
    for (int done = 0, workers = anywhere ? 1 : WORKERS; done < threads; done += workers) {
        ended += play(workers);
        if (half == 0 && done >= threads / 2) half = retained();
    }
    for (unsigned i = 0; i < 1000; i++) free(malloc(size_of(i)));
    long lost = (long)(mallinfo2().hblks - runs), more = (long)(retained() - half);
    printf("%d ended so, %u cleaned, %ld runs lost, %ld KiB more\n", ended, (unsigned)cleaned, lost, more / 1024);
    return 0;
}
