// medium LIVE THREADS: blocks of 64 KiB to 1 MiB, of which so many live at a time in each thread; the first page and
// the last byte of each are touched.
#include "bench.h"

enum { ROUNDS = 4000000, MANY = 200, THREADS_MAX = 16 };
typedef struct {
    size_t live, rounds;
    uint64_t seed, sum;
} worker_t;

static void *work(void *argument) {
    worker_t *me = argument;
    struct {
        char *p;
        size_t size;
    } *live = must(calloc(me->live, sizeof *live));
    for (size_t i = 0; i < me->rounds + me->live; i++) {
        uint64_t random = random_next(&me->seed);
        size_t at = i < me->live ? i : (random >> 24) % me->live;
        if (live[at].p) me->sum += check_mark(live[at].p, live[at].size, at);
        free(live[at].p);
        live[at].size = 65537 + random % (1048576 - 65537);
        live[at].p = mark(must(malloc(live[at].size)), live[at].size, at);
    }
    for (size_t at = 0; at < me->live; at++) free(live[at].p);
    free(live);
    return NULL;
}

int main(int argc, char **argv) {
    size_t live = argc > 1 ? strtoul(argv[1], NULL, 10) : 1, threads = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    pthread_t thread[THREADS_MAX];
    worker_t workers[THREADS_MAX];
    uint64_t sum = 0;
    if (live < 1 || threads < 1 || threads > THREADS_MAX) fail("usage: medium LIVE THREADS");
    for (size_t t = 0; t < threads; t++) {
        workers[t] = (worker_t){live, (live > 1 ? ROUNDS / MANY * 4 : ROUNDS) / threads, t + 1, 0};
        start(&thread[t], work, &workers[t]);
    }
    for (size_t t = 0; t < threads; t++) {
        pthread_join(thread[t], NULL);
        sum += workers[t].sum;
    }
    return finish(sum);
}
