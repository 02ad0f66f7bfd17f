// Generations of threads; one object in four survives its maker, for up to a few generations. What the dead leave must
// be used again by those who come after, or memory grows.
#include "bench.h"

enum { GENERATIONS = 60, THREADS = 4, OBJECTS = 12000, KEPT = OBJECTS / 4, HISTORY = 4 };
static char *kept[HISTORY][THREADS][KEPT];
typedef struct {
    int generation, index;
    uint64_t sum;
} worker_t;

static size_t size_of(int i) {
    return 24 + (size_t)(i * 37) % 400;
}

static void *work(void *argument) {
    worker_t *me = argument;
    char **mine = must(malloc(OBJECTS * sizeof *mine));
    // The neighbour's objects of some generations ago end here.
    char **old = kept[me->generation % HISTORY][me->index];
    for (int k = 0; k < KEPT; k++) {
        if (!old[k]) continue;
        me->sum += check_mark(old[k], size_of(k * 4), (uint64_t)k);
        free(old[k]);
    }
    for (int i = 0; i < OBJECTS; i++) mine[i] = mark(must(malloc(size_of(i))), size_of(i), (uint64_t)i / 4);
    for (int i = 0; i < OBJECTS; i++) {
        if (i % 4 == 0)
            old[i / 4] = mine[i];
        else
            free(mine[i]);
    }
    free(mine);
    return NULL;
}

int main(void) {
    uint64_t sum = 0;
    for (int g = 0; g < GENERATIONS; g++) {
        pthread_t threads[THREADS];
        worker_t workers[THREADS];
        for (int t = 0; t < THREADS; t++) {
            workers[t] = (worker_t){g, t, 0};
            start(&threads[t], work, &workers[t]);
        }
        for (int t = 0; t < THREADS; t++) {
            pthread_join(threads[t], NULL);
            sum += workers[t].sum;
        }
    }
    for (int h = 0; h < HISTORY; h++)
        for (int t = 0; t < THREADS; t++)
            for (int k = 0; k < KEPT; k++) free(kept[h][t][k]);
    return finish(sum);
}
