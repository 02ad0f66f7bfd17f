/* where CASE: memory of many kinds, of known sizes, resident when the program is dumped; it then ends, or waits for a
 * line on standard input. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB    ((size_t)1 << 20)
#define BLOCKS 40000

static char zeroed[3 * MIB]; /* a module's: touched, but in no file */
static void *kept[BLOCKS];
static pthread_barrier_t ready;

static void *touched(void *p, size_t n) {
    if (!p || p == MAP_FAILED) abort();
    memset(p, 1, n);
    return p;
}

/* 1 MiB of stack, until the process ends. */
static void *deep(void *unused) {
    char local[MIB];
    (void)unused;
    memset(local, 1, sizeof local);
    pthread_barrier_wait(&ready);
    for (;;) pause();
    return local[5] ? NULL : kept;
}

static void start_threads(unsigned count) {
    pthread_t thread;
    pthread_barrier_init(&ready, NULL, count + 1);
    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&thread, NULL, deep, NULL) != 0) abort();
    pthread_barrier_wait(&ready);
}

static void *map(size_t n, int protection, int flags, int fd) {
    return mmap(NULL, n, protection, flags, fd, 0);
}

static void map_all(void) {
    int fd = memfd_create("shared", 0);
    if (fd < 0 || ftruncate(fd, 5 * MIB) != 0) abort();
    touched(map(5 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd), 5 * MIB);
    touched(map(16 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1), 7 * MIB);
    void *reserved = touched(map(2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1), 2 * MIB);
    if (mprotect(reserved, 2 * MIB, PROT_READ) != 0) abort();
    if (map((size_t)8 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1) == MAP_FAILED) abort();
}

/* Three of four blocks go again: their places are pinned by the fourth. */
static void allocate_all(void) {
    for (int i = 0; i < BLOCKS; i++) kept[i] = touched(malloc(500), 500);
    for (int i = 0; i < BLOCKS; i++)
        if (i % 4) free(kept[i]);
    touched(malloc(6 * MIB), 6 * MIB);
}

/* 400,000 blocks of 3,000 bytes by four threads, some given back by another one; 1,000 of 200,000, of which one stays.
 */
static void *passed[4][100];
static void *count_one(void *mine) {
    void **kept = mine;
    for (int i = 0; i < 100000; i++) {
        free(kept[i % 100]);
        kept[i % 100] = malloc(3000);
    }
    return NULL;
}
static int count(void) {
    pthread_t threads[4];
    void *large = NULL;
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, count_one, passed[i]) != 0) return 3;
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 100; j++) free(passed[i][j]);
    for (int i = 0; i < 1000; i++) {
        free(large);
        large = malloc(200000);
    }
    for (int i = 0; i < 77; i++) kept[i] = malloc(5000);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    if (strcmp(argv[1], "count") == 0) return count();
    touched(zeroed, sizeof zeroed);
    allocate_all();
    map_all();
    start_threads(4);
    if (strcmp(argv[1], "wait") == 0) {
        printf("%d\n", getpid());
        fflush(stdout);
        return getchar() == EOF;
    }
    return 0;
}
