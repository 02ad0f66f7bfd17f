// What the allocation benchmarks share. Each program does a fixed amount of work, checks what it reads back, and prints
// a checksum that must be the same under all allocators: a fast allocator that loses a byte is no use.
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline uint64_t random_next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * 0x2545f4914f6cdd1du >> 16;
}

static inline _Noreturn void fail(const char *what) {
    fprintf(stderr, "failed: %s\n", what);
    exit(1);
}

static inline void *must(void *p) {
    if (!p) fail("out of memory");
    return p;
}

// A block is marked at both ends, so that two blocks that overlap do not go unseen. The size is at least two bytes.
static inline char *mark(char *p, size_t size, uint64_t tag) {
    p[0] = (char)tag;
    p[size - 1] = (char)~tag;
    return p;
}
static inline uint64_t check_mark(const char *p, size_t size, uint64_t tag) {
    if (p[0] != (char)tag || p[size - 1] != (char)~tag) fail("a block was overwritten");
    return (tag & 0xff) + size;
}

static inline void start(pthread_t *thread, void *(*run)(void *), void *argument) {
    if (pthread_create(thread, NULL, run, argument) != 0) fail("pthread_create");
}

static inline int finish(uint64_t sum) {
    printf("%016llx\n", (unsigned long long)sum);
    return 0;
}

#endif
