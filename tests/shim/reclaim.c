/* reclaim CASE: 32 threads retain about 700 KiB each, in slabs of 24 sizes that hold no block; then the first thread
 * asks for 16 MiB, five times, and prints for each time whether it got it, and how many milliseconds that took.
 *   busy    the others go on to allocate and free
 *   again   the same without a pause, and they retain as much before each time
 *   asleep  they do not
 *   alone   there are none */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS 32
#define WANTED  ((size_t)16 << 20)

static pthread_barrier_t ready;
static atomic_bool over;
static atomic_uint turn = 1; /* of those who retain again */
static bool busy, again;

static void use(size_t n) {
    char *p = malloc(n);
    if (!p) return;
    memset(p, 1, n);
    free(p);
}

static void retain(void) {
    for (size_t n = 9000; n <= 64000; n += n / 12) use(n);
    pthread_barrier_wait(&ready);
}

static void *work(void *unused) {
    unsigned turns = 1;
    retain();
    for (unsigned i = 0; !atomic_load(&over); i++) {
        if (!again) usleep(2000);
        if (again && turns < atomic_load(&turn)) {
            retain();
            turns++;
        }
        if (busy) use(100 + i % 50 * 64); /* small ones, of sizes that they do not retain */
    }
    return unused;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
    pthread_t threads[THREADS];
    unsigned count = argc > 1 && strcmp(argv[1], "alone") == 0 ? 0 : THREADS;
    again = argc > 1 && strcmp(argv[1], "again") == 0;
    busy = again || (argc > 1 && strcmp(argv[1], "busy") == 0);
    pthread_barrier_init(&ready, NULL, count + 1);
    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, work, NULL) != 0) return 2;
    pthread_barrier_wait(&ready);
    void *filler = count ? NULL : malloc(WANTED); /* so that it is refused alone, too */
    for (int i = 0; i < 5; i++) {
        double begin = now();
        void *p = malloc(WANTED);
        printf("%s %.0f\n", p ? "got" : "refused", now() - begin);
        free(p);
        if (!again || i == 4) continue;
        atomic_fetch_add(&turn, 1);
        pthread_barrier_wait(&ready);
    }
    free(filler);
    atomic_store(&over, true);
    for (unsigned i = 0; i < count; i++) pthread_join(threads[i], NULL);
    return 0;
}
