// mappings ALIVE THREADS: pairs of mmap and munmap of 64 KiB, one page of which is touched, with so many mappings
// alive. Prints nanoseconds a pair, by the wall.
#include <sys/mman.h>
#include <time.h>
#include "bench.h"

enum { PAIRS = 20000, SIZE = 65536 };

static char *map(size_t n, int protection) {
    char *p = mmap(NULL, n, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) fail("mmap");
    return p;
}

static void *run(void *unused) {
    for (int i = 0; i < PAIRS; i++) {
        char *p = map(SIZE, PROT_READ | PROT_WRITE);
        p[i % SIZE] = 1;
        munmap(p, SIZE);
    }
    return unused;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    int alive = atoi(argv[1]), count = atoi(argv[2]);
    // Neighbours differ in what may be done to them: else the kernel would make one mapping of them all.
    for (int i = 0; i < alive; i++) map(4096, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE);
    pthread_t threads[16];
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < count && i < 16; i++) start(&threads[i], run, NULL);
    for (int i = 0; i < count && i < 16; i++) pthread_join(threads[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.0f\n", ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / PAIRS);
    return 0;
}
