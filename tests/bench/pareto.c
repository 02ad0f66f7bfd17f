// Sizes by Pareto's law (many small, few large ones) and random lifetimes, on two threads that do not meet.
#include <math.h>
#include "bench.h"

enum { ROUNDS = 8000000, LIVE = 20000, SIZES = 8192, THREADS = 2 };
static uint32_t sizes[SIZES];

static void *work(void *argument) {
    struct {
        char *p;
        size_t size;
    } *live = must(calloc(LIVE, sizeof *live));
    uint64_t seed = *(uint64_t *)argument, sum = 0;
    for (size_t i = 0; i < ROUNDS; i++) {
        uint64_t random = random_next(&seed);
        size_t at = random % LIVE, size = sizes[(random >> 20) % SIZES];
        if (live[at].p) sum += check_mark(live[at].p, live[at].size, at);
        free(live[at].p);
        live[at].p = mark(must(malloc(size)), size, at);
        live[at].size = size;
    }
    for (size_t at = 0; at < LIVE; at++) free(live[at].p);
    free(live);
    *(uint64_t *)argument = sum;
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    uint64_t sums[THREADS], seed = 7, sum = 0;
    for (size_t i = 0; i < SIZES; i++) {
        double size = 16 / pow((double)(random_next(&seed) % 1000000 + 1) / 1e6, 1 / 1.1);
        sizes[i] = size > 262144 ? 262144 : (uint32_t)size;
    }
    for (size_t t = 0; t < THREADS; t++) {
        sums[t] = t + 1;
        start(&threads[t], work, &sums[t]);
    }
    for (size_t t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        sum += sums[t];
    }
    return finish(sum);
}
