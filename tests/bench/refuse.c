// refuse HEAPS BLOCKS: how long a refusal takes at the ceiling, 10,000 of them, where so many threads have ended and so
// many blocks are alive. Prints the median and the 99th percentile in microseconds.
#include <time.h>
#include "bench.h"

enum { REFUSALS = 10000 };

static pthread_barrier_t all;
static double took[REFUSALS];

static void *use(void *unused) {
    for (size_t n = 16; n <= 2048; n *= 2) free(must(malloc(n)));
    pthread_barrier_wait(&all);
    return unused;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    unsigned heaps = (unsigned)atoi(argv[1]), blocks = (unsigned)atoi(argv[2]);
    pthread_t *threads = must(calloc(heaps + 1, sizeof *threads));
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_barrier_init(&all, NULL, heaps + 1);
    for (unsigned i = 0; i < heaps; i++)
        if (pthread_create(&threads[i], &small, use, NULL) != 0) fail("pthread_create");
    pthread_barrier_wait(&all);
    for (unsigned i = 0; i < heaps; i++) pthread_join(threads[i], NULL);
    static void *kept[1000000];
    for (unsigned i = 0; i < blocks && i < 1000000; i++) kept[i] = must(malloc(16 + i % 500));
    for (int i = 0; i < REFUSALS; i++) {
        struct timespec begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        void *volatile p = malloc((size_t)1 << 30);
        clock_gettime(CLOCK_MONOTONIC, &end);
        if (p) fail("not refused: is there a ceiling below 1 GiB?");
        took[i] = (double)(end.tv_sec - begin.tv_sec) * 1e6 + (double)(end.tv_nsec - begin.tv_nsec) / 1e3;
    }
    qsort(took, REFUSALS, sizeof took[0], compare);
    printf("%.1f %.1f\n", took[REFUSALS / 2], took[REFUSALS * 99 / 100]);
    for (unsigned i = 0; i < blocks && i < 1000000; i++) free(kept[i]);
    return 0;
}
