// Pure producers and pure consumers: each block is freed by a thread that never allocates one.
#include "bench.h"

enum { PAIRS = 2, BATCHES = 20000, BATCH = 200, QUEUE = 8 };
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char *queue[QUEUE][BATCH];
    int head, tail;
    uint64_t sum;
} pair_t;

static size_t size_of(int batch, int i) {
    return 16 + (size_t)(batch * 31 + i * 7) % 200;
}

static void *produce(void *argument) {
    pair_t *pair = argument;
    for (int b = 0; b < BATCHES; b++) {
        pthread_mutex_lock(&pair->lock);
        while (pair->head - pair->tail == QUEUE) pthread_cond_wait(&pair->changed, &pair->lock);
        pthread_mutex_unlock(&pair->lock);
        for (int i = 0; i < BATCH; i++)
            pair->queue[b % QUEUE][i] = mark(must(malloc(size_of(b, i))), size_of(b, i), (uint64_t)b + (uint64_t)i);
        pthread_mutex_lock(&pair->lock);
        pair->head++;
        pthread_cond_signal(&pair->changed);
        pthread_mutex_unlock(&pair->lock);
    }
    return NULL;
}

static void *consume(void *argument) {
    pair_t *pair = argument;
    for (int b = 0; b < BATCHES; b++) {
        pthread_mutex_lock(&pair->lock);
        while (pair->head == pair->tail) pthread_cond_wait(&pair->changed, &pair->lock);
        pthread_mutex_unlock(&pair->lock);
        for (int i = 0; i < BATCH; i++) {
            pair->sum += check_mark(pair->queue[b % QUEUE][i], size_of(b, i), (uint64_t)b + (uint64_t)i);
            free(pair->queue[b % QUEUE][i]);
        }
        pthread_mutex_lock(&pair->lock);
        pair->tail++;
        pthread_cond_signal(&pair->changed);
        pthread_mutex_unlock(&pair->lock);
    }
    return NULL;
}

int main(void) {
    static pair_t pairs[PAIRS];
    pthread_t threads[PAIRS][2];
    uint64_t sum = 0;
    for (size_t p = 0; p < PAIRS; p++) {
        pthread_mutex_init(&pairs[p].lock, NULL);
        pthread_cond_init(&pairs[p].changed, NULL);
        start(&threads[p][0], produce, &pairs[p]);
        start(&threads[p][1], consume, &pairs[p]);
    }
    for (size_t p = 0; p < PAIRS; p++) {
        for (int side = 0; side < 2; side++) pthread_join(threads[p][side], NULL);
        sum += pairs[p].sum;
    }
    return finish(sum);
}
