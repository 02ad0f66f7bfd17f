/* What a tracked block costs: prints nanoseconds, the least of several runs each.
 *   tracked            of a malloc by a stack that repeats, of one by a stack that is new, of a free
 *   tracked threads N  of a pair, on N threads at once
 *   tracked memory N   bytes of resident memory a live block, of N blocks of 64 bytes by one stack */
#include "bench.h"

#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

enum { BLOCKS = 200, RUNS = 25, PAIRS = 2000000 };

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *held[BLOCKS];

NOINLINE static void make(size_t from, size_t to) {
    for (size_t i = from; i < to; i++) held[i] = must(malloc(48));
}

/* Some frames, by a way that the bits of `way` choose: each of them is a call from another place. */
NOINLINE static void go(unsigned depth, uint64_t way, size_t i) {
    if (depth == 0) {
        make(i, i + 1);
    } else if (way & 1) {
        go(depth - 1, way >> 1, i);
        __asm__ volatile("nop"); /* or the two calls would be one */
    } else {
        go(depth - 1, way >> 1, i);
        __asm__ volatile("nop; nop");
    }
}

static void costs(void) {
    uint64_t repeated = UINT64_MAX, fresh = UINT64_MAX, freed = UINT64_MAX, way = 0;
    for (int run = 0; run < RUNS; run++) {
        uint64_t begin = now();
        make(0, BLOCKS);
        uint64_t made = now() - begin;
        begin = now();
        for (size_t i = 0; i < BLOCKS; i++) free(held[i]);
        uint64_t gone = now() - begin;
        begin = now();
        for (size_t i = 0; i < BLOCKS; i++) go(16, way++ * 0x9e3779b97f4a7c15u >> 30, i);
        uint64_t by_new = now() - begin;
        for (size_t i = 0; i < BLOCKS; i++) free(held[i]);
        usleep(300000); /* a sample costs of what there is of them in a while */
        if (made < repeated) repeated = made;
        if (gone < freed) freed = gone;
        if (by_new < fresh) fresh = by_new;
    }
    printf("%.0f %.0f %.0f\n", (double)repeated / BLOCKS, (double)fresh / BLOCKS, (double)freed / BLOCKS);
}

static void *pairs(void *unused) {
    for (int i = 0; i < PAIRS; i++) {
        char *p = mark(must(malloc(16 + (size_t)i % 97)), 2, (uint64_t)i);
        free(p);
    }
    return unused;
}

static void threads(int n) {
    pthread_t t[64];
    uint64_t begin = now();
    for (int i = 0; i < n; i++) start(&t[i], pairs, NULL);
    for (int i = 0; i < n; i++) pthread_join(t[i], NULL);
    printf("%.1f\n", (double)(now() - begin) / PAIRS / n);
}

static long resident(void) {
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%*d %ld", &pages) != 1) fail("statm");
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static void memory(size_t n) {
    char **p = must(malloc(n * sizeof *p));
    for (size_t i = 0; i < n; i++) p[i] = NULL; /* there already */
    long before = resident();
    for (size_t i = 0; i < n; i++) p[i] = mark(must(malloc(64)), 64, i);
    printf("%.1f\n", (double)(resident() - before) / (double)n);
}

int main(int argc, char **argv) {
    if (argc == 1)
        costs();
    else if (argc == 3 && !strcmp(argv[1], "threads"))
        threads(atoi(argv[2]));
    else if (argc == 3 && !strcmp(argv[1], "memory"))
        memory((size_t)atol(argv[2]));
    else
        return 2;
    return 0;
}
