/* Everything at once, for as long as one likes: threads that allocate, hand over, come and go, forks, a 1 kHz signal
 * handler that allocates, libraries that are opened and closed. Meant to run under a low ceiling: NULL is part of it.
 *
 *   WEIR_MAX_DIRECT=96M LD_PRELOAD=build/libweir.so build/tests/shim/stress SECONDS
 *
 * Any wrong byte, failed child or growth of resident memory by more than 16 MiB after the first fifth is an error. */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HELD   64
#define SHARED 128

static atomic_bool stop;
static atomic_ulong operations, refused, forks, handled, threads, opened;
static _Atomic(unsigned char *) shared[SHARED];

/* A block: its size in the first 8 bytes, then a byte that repeats. */
static unsigned char *make(unsigned *s) {
    *s = *s * 1103515245 + 12345;
    size_t n = 16 + (*s >> 4) % ((*s >> 24) % 32 == 0 ? 400000 : (*s >> 24) % 8 == 0 ? 9000 : 500);
    unsigned char *p = (*s & 256) ? malloc(n) : calloc(1, n);
    operations++;
    if (!p) {
        refused++;
        return NULL;
    }
    memcpy(p, &n, sizeof n);
    memset(p + 8, (unsigned char)n, n - 8 < 100 ? n - 8 : 100);
    p[n - 1] = (unsigned char)n;
    return p;
}

static void drop(unsigned char *p) {
    size_t n;
    if (!p) return;
    memcpy(&n, p, sizeof n);
    if (n > 500000 || p[8] != (unsigned char)n || p[n - 1] != (unsigned char)n) {
        static const char words[] = "stress: wrong byte\n";
        (void)!write(2, words, sizeof words - 1);
        abort();
    }
    free(p);
}

static void churn(unsigned *s, unsigned char **held, int n, bool share) {
    for (int i = 0; i < n; i++) {
        unsigned k = *s >> 9 & (HELD - 1);
        drop(held[k]);
        held[k] = make(s);
        if (share && (*s & 15) == 0) held[k] = atomic_exchange(&shared[*s >> 12 & (SHARED - 1)], held[k]);
    }
}

static void *worker(void *argument) {
    unsigned s = (unsigned)(long)argument;
    unsigned char *held[HELD] = {0};
    while (!stop) churn(&s, held, 100, true);
    for (int k = 0; k < HELD; k++) drop(held[k]);
    return NULL;
}

static void *short_thread(void *argument) {
    unsigned s = (unsigned)(long)argument * 77777;
    unsigned char *held[HELD] = {0};
    churn(&s, held, 200, true);
    for (int k = 0; k < HELD; k++) drop(held[k]);
    threads++;
    return NULL;
}

static void *starter(void *argument) {
    for (long i = 1; !stop; i++) {
        pthread_t t[4];
        int n = 0;
        while (n < 4 && pthread_create(&t[n], NULL, short_thread, (void *)(i * 4 + n)) == 0) n++;
        while (n > 0) pthread_join(t[--n], NULL);
    }
    return argument;
}

static void *opener(void *argument) {
    static const char *const names[] = {"libz.so.1", "libresolv.so.2", "libbz2.so.1.0", "libutil.so.1"};
    for (unsigned i = 0; !stop; i++) {
        void *library = dlopen(names[i % 4], RTLD_NOW | RTLD_LOCAL);
        if (library && dlclose(library) == 0) opened++;
        (void)dlerror();
        usleep(2000);
    }
    return argument;
}

static void on_alarm(int number) {
    static unsigned s = 99;
    static unsigned char *held[HELD];
    static atomic_flag busy = ATOMIC_FLAG_INIT; /* the next tick may hit another thread before this one is done */
    (void)number;
    if (atomic_flag_test_and_set(&busy)) return;
    churn(&s, held, 5, false);
    handled++;
    atomic_flag_clear(&busy);
}

static void fork_once(void) {
    pid_t pid = fork();
    if (pid == 0) {
        unsigned s = (unsigned)getpid();
        static unsigned char *held[HELD];
        struct itimerval never = {0};
        setitimer(ITIMER_REAL, &never, NULL);
        churn(&s, held, 500, true);
        _exit(0);
    }
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0) continue;
    if (pid > 0 && status != 0) {
        fprintf(stderr, "stress: a child ended with %#x\n", (unsigned)status);
        abort();
    }
    forks += pid > 0;
}

static long resident(void) {
    long pages = 0, ignored;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld %ld", &ignored, &pages) != 2) return -1;
    fclose(f);
    return pages * 4;
}

int main(int argc, char **argv) {
    long seconds = argc > 1 ? atol(argv[1]) : 10, early = 0;
    time_t begin = time(NULL);
    pthread_t t[6];
    struct itimerval every = {{0, 1000}, {0, 1000}};
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    for (long i = 0; i < 4; i++) pthread_create(&t[i], NULL, worker, (void *)(i + 1));
    pthread_create(&t[4], NULL, starter, NULL);
    pthread_create(&t[5], NULL, opener, NULL);
    while (time(NULL) - begin < seconds) {
        fork_once();
        usleep(20000);
        if (early <= 0 && (time(NULL) - begin) * 5 >= seconds) early = resident();
    }
    stop = true;
    long late = resident();
    for (int i = 0; i < 6; i++) pthread_join(t[i], NULL);
    printf("%lu operations, %lu refused, %lu short threads, %lu forks, %lu signals, %lu libraries opened and closed; "
           "resident "
           "%ld KiB after a fifth of the time, %ld KiB at the end\n",
           (unsigned long)operations, (unsigned long)refused, (unsigned long)threads, (unsigned long)forks,
           (unsigned long)handled, (unsigned long)opened, early, late);
    return late - early > 16384;
}
