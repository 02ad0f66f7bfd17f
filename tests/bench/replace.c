// replace BLOCKS THREADS: a live set of so many blocks of 8 to 1,000 bytes a thread, small ones more often; one after
// the other is replaced, four in five times one of the first fifth. Each new block is filled, as a program would.
#include "bench.h"

enum { ROUNDS = 6000000, THREADS_MAX = 64 };
typedef struct {
    size_t blocks, rounds;
    uint64_t seed, sum;
} worker_t;

static size_t size_of(uint64_t random) {
    uint64_t skew = random % 1000 * (random / 1000 % 1000) / 1000; // the product of two even ones leans to the small
    return 8 + (size_t)(skew * 993 / 1000);
}

static void *work(void *argument) {
    worker_t *me = argument;
    size_t often = me->blocks / 5 + 1;
    struct {
        char *p;
        size_t size;
    } *live = must(calloc(me->blocks, sizeof *live));
    for (size_t i = 0; i < me->rounds + me->blocks; i++) {
        uint64_t random = random_next(&me->seed);
        size_t at = i;
        if (i >= me->blocks) at = (random >> 3) % (random % 5 ? often : me->blocks);
        if (live[at].p) me->sum += check_mark(live[at].p, live[at].size, at);
        free(live[at].p);
        live[at].size = size_of(random >> 16);
        live[at].p = must(malloc(live[at].size));
        memset(live[at].p, (int)at, live[at].size);
        mark(live[at].p, live[at].size, at);
    }
    for (size_t at = 0; at < me->blocks; at++) free(live[at].p);
    free(live);
    return NULL;
}

int main(int argc, char **argv) {
    size_t blocks = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000, threads = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    pthread_t thread[THREADS_MAX];
    worker_t workers[THREADS_MAX];
    uint64_t sum = 0;
    if (blocks < 5 || threads < 1 || threads > THREADS_MAX) fail("usage: replace BLOCKS THREADS");
    for (size_t t = 0; t < threads; t++) {
        workers[t] = (worker_t){blocks, ROUNDS / threads, t + 1, 0};
        start(&thread[t], work, &workers[t]);
    }
    for (size_t t = 0; t < threads; t++) {
        pthread_join(thread[t], NULL);
        sum += workers[t].sum;
    }
    return finish(sum);
}
