/* Threads that come and go. threads SHORT ALIVE: SHORT threads one after another in groups of ALIVE, each allocating,
 * freeing what its predecessor left, and leaving something; prints how much higher the least resident memory of the
 * last half was than that of the quarter before: what comes and goes with the threads does not count, what stays does.
 */
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *left[64];
static pthread_barrier_t together; /* the first group is alive all at once: as many caches as there will ever be */
static bool first = true;

static long resident(void) {
    long pages = 0, ignored;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld %ld", &ignored, &pages) != 2) exit(2);
    fclose(f);
    return pages * 4096;
}

static void *work(void *argument) {
    long k = (long)argument;
    free(left[k]);
    void *p[100];
    for (size_t i = 0; i < 100; i++) memset(p[i] = malloc(16 + i * 37 % 2000), 1, 16);
    if (first) pthread_barrier_wait(&together);
    for (size_t i = 0; i < 100; i++) free(p[i]);
    left[k] = malloc(100);
    return NULL;
}

int main(int argc, char **argv) {
    long threads = argc > 1 ? atol(argv[1]) : 10000, alive = argc > 2 ? atol(argv[2]) : 64,
         least[2] = {LONG_MAX, LONG_MAX};
    pthread_t t[64];
    pthread_barrier_init(&together, NULL, (unsigned)alive);
    for (long done = 0; done < threads; done += alive) {
        for (long k = 0; k < alive; k++)
            if (pthread_create(&t[k], NULL, work, (void *)k) != 0) return 2;
        for (long k = 0; k < alive; k++) pthread_join(t[k], NULL);
        first = false;
        malloc_trim(0); /* what is retained for a while, and how much of it there is just now, does not count */
        long now = resident(), *half = &least[done >= threads / 2];
        if (done >= threads / 4 && now < *half) *half = now;
    }
    long grown = least[1] - least[0];
    printf("grew by %ld KiB\n", grown / 1024);
    return grown > 1 << 19;
}
