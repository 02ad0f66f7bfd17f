// Many threads, each with a few blocks of many sizes, that then only wait: what a thread costs, above all in memory.
#include "bench.h"

enum { THREADS = 300, BLOCKS = 40, ROUNDS = 10 };
static pthread_barrier_t barrier;

static void *work(void *argument) {
    char *blocks[BLOCKS];
    uint64_t sum = 0;
    for (size_t b = 0; b < BLOCKS; b++) blocks[b] = mark(must(malloc(16 + b * b * 3)), 16 + b * b * 3, b);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    for (size_t b = 0; b < BLOCKS; b++) {
        sum += check_mark(blocks[b], 16 + b * b * 3, b);
        free(blocks[b]);
    }
    *(uint64_t *)argument = sum;
    return NULL;
}

int main(void) {
    static uint64_t sums[THREADS];
    uint64_t sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, 64 << 10);
        pthread_barrier_init(&barrier, NULL, THREADS + 1);
        for (size_t t = 0; t < THREADS; t++)
            if (pthread_create(&threads[t], &attributes, work, &sums[t]) != 0) fail("pthread_create");
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        for (size_t t = 0; t < THREADS; t++) {
            pthread_join(threads[t], NULL);
            sum += sums[t];
        }
        pthread_barrier_destroy(&barrier);
        pthread_attr_destroy(&attributes);
    }
    return finish(sum);
}
