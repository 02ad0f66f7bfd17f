// Two threads that make batches of small blocks, pass them to each other and free what they get: nothing but frees of
// another thread's blocks.
#include <sched.h>
#include <stdatomic.h>
#include "bench.h"

enum { BATCHES = 60000, BATCH = 200, SIZE = 64 };
typedef char *batch_t[BATCH];
static _Atomic(batch_t *) box[2]; // what waits for each of them

static void pass(int to, batch_t *batch) {
    batch_t *none = NULL;
    while (!atomic_compare_exchange_weak_explicit(&box[to], &none, batch, memory_order_release, memory_order_relaxed)) {
        none = NULL;
        sched_yield();
    }
}

static batch_t *get(int at) {
    batch_t *batch;
    while (!(batch = atomic_exchange_explicit(&box[at], NULL, memory_order_acquire))) sched_yield();
    return batch;
}

static void *work(void *argument) {
    static batch_t batches[2][4];
    int me = (int)*(uint64_t *)argument;
    uint64_t sum = 0;
    for (int b = 0; b < BATCHES; b++) {
        batch_t *mine = &batches[me][b % 4];
        for (int i = 0; i < BATCH; i++) (*mine)[i] = mark(must(malloc(SIZE)), SIZE, (uint64_t)b + (uint64_t)i);
        pass(!me, mine);
        batch_t *others = get(me);
        for (int i = 0; i < BATCH; i++) {
            sum += check_mark((*others)[i], SIZE, (uint64_t)b + (uint64_t)i);
            free((*others)[i]);
        }
    }
    *(uint64_t *)argument = sum;
    return NULL;
}

int main(void) {
    pthread_t threads[2];
    uint64_t values[2] = {0, 1};
    for (size_t t = 0; t < 2; t++) start(&threads[t], work, &values[t]);
    for (size_t t = 0; t < 2; t++) pthread_join(threads[t], NULL);
    return finish(values[0] + values[1]);
}
