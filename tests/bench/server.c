// A server: connections (tables of blocks) are served by one thread, which then hands them to a thread that it starts
// and ends. So most blocks are freed by another thread than made them, and many of those have ended.
#include "bench.h"

enum { CHAINS = 4, SUCCESSIONS = 360, BLOCKS = 1000, ROUNDS = 12000 };
typedef struct {
    struct {
        char *p;
        size_t size;
    } blocks[BLOCKS];
    uint64_t seed, sum;
    int left;
    pthread_mutex_t lock;
    pthread_cond_t done;
} chain_t;

static void *serve(void *argument) {
    chain_t *chain = argument;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t random = random_next(&chain->seed);
        size_t at = random % BLOCKS, size = 10 + (random >> 20) % 500;
        if (chain->blocks[at].p) chain->sum += check_mark(chain->blocks[at].p, chain->blocks[at].size, at);
        free(chain->blocks[at].p);
        chain->blocks[at].p = mark(must(malloc(size)), size, at);
        chain->blocks[at].size = size;
    }
    if (--chain->left > 0) {
        pthread_t next;
        start(&next, serve, chain);
        pthread_detach(next);
    } else {
        pthread_mutex_lock(&chain->lock);
        pthread_cond_signal(&chain->done);
        chain->left = -1;
        pthread_mutex_unlock(&chain->lock);
    }
    return NULL;
}

int main(void) {
    chain_t *chains[CHAINS];
    uint64_t sum = 0;
    for (size_t c = 0; c < CHAINS; c++) {
        pthread_t first;
        chains[c] = must(calloc(1, sizeof *chains[c]));
        chains[c]->seed = c + 1;
        chains[c]->left = SUCCESSIONS;
        pthread_mutex_init(&chains[c]->lock, NULL);
        pthread_cond_init(&chains[c]->done, NULL);
        start(&first, serve, chains[c]);
        pthread_detach(first);
    }
    for (size_t c = 0; c < CHAINS; c++) {
        pthread_mutex_lock(&chains[c]->lock);
        while (chains[c]->left >= 0) pthread_cond_wait(&chains[c]->done, &chains[c]->lock);
        pthread_mutex_unlock(&chains[c]->lock);
        sum += chains[c]->sum;
        for (size_t at = 0; at < BLOCKS; at++) free(chains[c]->blocks[at].p);
        free(chains[c]);
    }
    return finish(sum);
}
