/* Storms: what interrupts an allocator at the worst moments. One kind a run; prints "survived".
 *   fork     threads allocate while one forks children that allocate, use stdio and exit
 *   threads  the same, and the children start threads, which free what their parent's threads made
 *   clone    as fork, with a raw clone, which runs no handlers
 *   stdio    the same while others flush and read lines (libc's list of streams against the allocator's locks)
 *   signal   a 1 kHz timer's handler allocates and frees while the program does
 *   vfork    children that share memory allocate, then end */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_bool stop;
static atomic_ulong handled;

static void *volatile made[4][64]; /* each worker's blocks: live ones at any moment, for a child to free */

static void churn(unsigned *s, void *volatile *p, int n) {
    for (int i = 0; i < n; i++) {
        *s = *s * 1103515245 + 12345;
        unsigned k = *s >> 8 & 63;
        if (p[k] && *(unsigned char *)p[k] != (unsigned char)k) {
            fprintf(stderr, "wrong byte\n");
            abort();
        }
        void *old = p[k];
        p[k] = NULL;
        free(old);
        size_t size = (*s >> 4) % ((*s & 15) == 0 ? 200000 : 700) + 1;
        void *new = malloc(size);
        if (!new) abort();
        memset(new, (int)k, size < 64 ? size : 64);
        p[k] = new;
    }
}

static void *worker(void *argument) {
    unsigned s = (unsigned)(long)argument;
    while (!stop) churn(&s, made[(long)argument - 1], 100);
    return NULL;
}

static void *successor(void *argument) {
    unsigned s = (unsigned)getpid();
    void *volatile *p = argument;
    churn(&s, p, 1000);
    for (int k = 0; k < 64; k++) free(p[k]);
    void *volatile own[64] = {0};
    churn(&s, own, 1000);
    for (int k = 0; k < 64; k++) free(own[k]);
    return NULL;
}

static void *streams(void *argument) {
    while (!stop) {
        FILE *f = fopen("/proc/self/status", "r");
        char *line = NULL;
        size_t n = 0;
        while (f && getline(&line, &n, f) > 0) fflush(NULL);
        free(line);
        if (f) fclose(f);
    }
    return argument;
}

static void child(bool threads) {
    unsigned s = (unsigned)getpid();
    static void *volatile p[64];
    pthread_t t[4];
    for (int i = 0; threads && i < 4; i++)
        if (pthread_create(&t[i], NULL, successor, (void *)made[i]) != 0) abort();
    churn(&s, p, 3000);
    for (int i = 0; threads && i < 4; i++) pthread_join(t[i], NULL);
    fflush(NULL);
}

static void reap(pid_t pid) {
    int status;
    if (pid < 0 || waitpid(pid, &status, __WALL) != pid || status != 0) {
        fprintf(stderr, "child ended with %#x\n", (unsigned)status);
        abort();
    }
}

static void on_alarm(int n) {
    static unsigned s = 1;
    static void *volatile p[64];
    (void)n;
    churn(&s, p, 20);
    handled++;
}

int main(int argc, char **argv) {
    const char *kind = argc > 1 ? argv[1] : "fork";
    int rounds = argc > 2 ? atoi(argv[2]) : 100;
    pthread_t t[4];
    alarm(120);
    if (!strcmp(kind, "signal")) {
        signal(SIGALRM, on_alarm);
        struct itimerval every = {{0, 1000}, {0, 1000}};
        setitimer(ITIMER_REAL, &every, NULL);
        unsigned s = 7;
        void *volatile p[64] = {0};
        while (handled < (unsigned long)rounds) churn(&s, p, 1000);
        printf("survived\n");
        return 0;
    }
    for (long i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, !strcmp(kind, "stdio") && i < 2 ? streams : worker, (void *)(i + 1));
    for (int i = 0; i < rounds; i++) {
        pid_t pid = -1;
        if (!strcmp(kind, "clone"))
            pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        else if (!strcmp(kind, "vfork"))
            pid = vfork();
        else
            pid = fork();
        if (pid == 0) {
            if (strcmp(kind, "vfork") != 0)
                child(strcmp(kind, "threads") == 0);
            else
                free(malloc(1000));
            _exit(0);
        }
        reap(pid);
    }
    stop = true;
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    printf("survived\n");
    return 0;
}
