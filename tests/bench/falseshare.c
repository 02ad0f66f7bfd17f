// False sharing. Passive: neighbours made by one thread are given to two, which free them and allocate anew. Active:
// both allocate. An allocator that puts two threads' blocks into one cache line pays with each write.
#include "bench.h"

enum { THREADS = 2, ROUNDS = 1000000, WRITES = 300, OBJECT = 8 };
typedef struct {
    char *given;
    uint64_t sum;
} worker_t;

static void *work(void *argument) {
    worker_t *me = argument;
    free(me->given);
    for (int r = 0; r < ROUNDS; r++) {
        volatile char *p = must(malloc(OBJECT));
        for (int w = 0; w < OBJECT; w++) p[w] = 0;
        for (int w = 0; w < WRITES; w++) p[w % OBJECT] = (char)(p[w % OBJECT] + w);
        me->sum += (uint64_t)(unsigned char)p[0];
        free((void *)p);
    }
    return NULL;
}

int main(void) {
    worker_t workers[THREADS] = {0};
    pthread_t threads[THREADS];
    uint64_t sum = 0;
    for (int t = 0; t < THREADS; t++) workers[t].given = must(malloc(OBJECT));
    for (int t = 0; t < THREADS; t++) start(&threads[t], work, &workers[t]);
    for (int t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        sum += workers[t].sum;
    }
    return finish(sum);
}
