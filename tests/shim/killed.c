/* Allocates and frees at eight sites in four threads until it is killed, and keeps its own count in a file that it has
 * mapped shared: killed FILE. For each thread and site the count of blocks made and given back, each added when the
 * call has returned. */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define THREADS 4
#define SITES   8
#define HELD    64

struct count {
    uint64_t made, freed;
};
static volatile struct count (*counts)[SITES];

/* As many places in the code. */
__attribute__((noinline)) static void *site_0(void) {
    void *volatile block = malloc(64);
    return block;
}
__attribute__((noinline)) static void *site_1(void) {
    void *volatile block = malloc(96);
    return block;
}
__attribute__((noinline)) static void *site_2(void) {
    void *volatile block = malloc(128);
    return block;
}
__attribute__((noinline)) static void *site_3(void) {
    void *volatile block = malloc(160);
    return block;
}
__attribute__((noinline)) static void *site_4(void) {
    void *volatile block = malloc(192);
    return block;
}
__attribute__((noinline)) static void *site_5(void) {
    void *volatile block = malloc(224);
    return block;
}
__attribute__((noinline)) static void *site_6(void) {
    void *volatile block = malloc(256);
    return block;
}
__attribute__((noinline)) static void *site_7(void) {
    void *volatile block = malloc(288);
    return block;
}
static void *(*const sites[SITES])(void) = {site_0, site_1, site_2, site_3, site_4, site_5, site_6, site_7};

static void *work(void *argument) {
    size_t thread = (size_t)argument;
    uint32_t state = (uint32_t)(thread + 1) * 2654435761u;
    struct {
        void *block;
        unsigned site;
    } held[HELD] = {{NULL, 0}};
    for (;;) {
        state = state * 1664525 + 1013904223;
        unsigned slot = state >> 8 & (HELD - 1), site = state >> 20 & (SITES - 1);
        if (held[slot].block) {
            free(held[slot].block);
            counts[thread][held[slot].site].freed++;
        }
        held[slot].block = sites[site]();
        held[slot].site = site;
        counts[thread][site].made++;
    }
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t threads[THREADS];
    int fd = argc > 1 ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
    if (fd < 0 || ftruncate(fd, 4096) != 0) return 1;
    counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (counts == MAP_FAILED) return 1;
    (void)close(fd);
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)i) != 0) return 1;
    (void)pthread_join(threads[0], NULL);
    return 0;
}
