/* A random model of an allocator's promises: every operation on blocks of random size and alignment, whose bytes are
 * checked whenever they are touched, with blocks handed between threads. Any wrong byte is one line and exit 1.
 *
 *   model OPERATIONS THREADS [SEED]      prints "N operations, no wrong byte" */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWN    512 /* blocks a thread holds */
#define SHARED 256 /* places where threads leave blocks for each other */

struct block {
    unsigned char *p;
    size_t size;
    unsigned char tag;
};

static _Atomic(struct block *) shared[SHARED];
static unsigned long operations;
static unsigned long first_seed = 1;

static uint64_t next(uint64_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static void fail(const char *what, const struct block *b, size_t at) {
    fprintf(stderr, "%s: block %p of %zu bytes, byte %zu\n", what, (void *)b->p, b->size, at);
    exit(1);
}

/* The ends and a stride of the middle: enough to see an overlap, cheap enough to do always. */
static void fill(struct block *b) {
    size_t edge = b->size < 64 ? b->size : 64;
    memset(b->p, b->tag, edge);
    memset(b->p + b->size - edge, b->tag, edge);
    for (size_t i = 0; i < b->size; i += 1021) b->p[i] = b->tag;
}

static void check_upto(const struct block *b, size_t n) {
    size_t edge = n < 64 ? n : 64;
    for (size_t i = 0; i < edge; i++)
        if (b->p[i] != b->tag) fail("wrong byte", b, i);
    for (size_t i = 0; i < n; i += 1021)
        if (b->p[i] != b->tag) fail("wrong byte", b, i);
    if (n != b->size) return;
    for (size_t i = n - edge; i < n; i++)
        if (b->p[i] != b->tag) fail("wrong byte", b, i);
}

static size_t random_size(uint64_t *s) {
    uint64_t r = next(s);
    switch (r & 63) {
    case 0:
        return (r >> 8) % ((r >> 58) == 0 ? 3 << 20 : 300 << 10);
    case 3:
    case 4:
    case 5:
        return (r >> 8) % (64 << 10);
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
        return (r >> 8) % 9000;
    default:
        return (r >> 8) % 600;
    }
}

static void check_new(struct block *b, size_t alignment, uint64_t *s) {
    if (!b->p) {
        fprintf(stderr, "no memory for %zu bytes\n", b->size);
        exit(1);
    }
    if ((uintptr_t)b->p % (alignment < 16 ? 16 : alignment)) fail("wrong alignment", b, alignment);
    if (malloc_usable_size(b->p) < b->size) fail("usable size too small", b, malloc_usable_size(b->p));
    b->tag = (unsigned char)(next(s) | 1);
    fill(b);
}

static void make(struct block *b, uint64_t *s) {
    size_t alignment = 16;
    b->size = random_size(s);
    uint64_t r = next(s);
    switch (r & 15) {
    case 0:
    case 1:
    case 2:
        b->p = calloc(1, b->size);
        for (size_t i = 0; b->p && i < b->size; i++)
            if (b->p[i]) fail("calloc is not zero", b, i);
        break;
    case 3:
        alignment = (size_t)1 << (4 + (r >> 8) % 14);
        b->p = aligned_alloc(alignment, b->size);
        break;
    case 4:
        alignment = (size_t)1 << (3 + (r >> 8) % 12);
        if (posix_memalign((void **)&b->p, alignment, b->size) != 0) b->p = NULL;
        break;
    default:
        b->p = malloc(b->size);
    }
    check_new(b, alignment, s);
}

static void drop(struct block *b) {
    check_upto(b, b->size);
    free(b->p);
    b->p = NULL;
}

static void resize(struct block *b, uint64_t *s) {
    size_t old = b->size, size = random_size(s) + 1;
    if (next(s) % 4 == 0) size = old + next(s) % (old / 2 + 16) + 1; /* growth, as buffers grow */
    unsigned char *p = realloc(b->p, size);
    if (!p) fail("realloc refused", b, size);
    b->p = p;
    check_upto(&(struct block){p, old, b->tag}, old < size ? old : size);
    b->size = size;
    fill(b);
}

static void exchange(struct block *b, uint64_t *s) {
    struct block *mine = malloc(sizeof *mine);
    if (!mine) exit(1);
    *mine = *b;
    struct block *theirs = atomic_exchange(&shared[next(s) % SHARED], mine);
    b->p = NULL;
    if (!theirs) return;
    *b = *theirs;
    check_upto(b, b->size);
    free(theirs);
}

static void *work(void *argument) {
    static _Thread_local struct block blocks[OWN];
    uint64_t s = ((uint64_t)(uintptr_t)argument + first_seed) * 0x9e3779b97f4a7c15u | 1;
    for (unsigned long i = 0; i < operations; i++) {
        struct block *b = &blocks[next(&s) % OWN];
        uint64_t what = next(&s) % 16;
        errno = EDOM;
        if (!b->p)
            make(b, &s);
        else if (what == 0)
            exchange(b, &s);
        else if (what < 4)
            resize(b, &s);
        else
            drop(b);
        if (errno != EDOM) fail("errno was changed", b, (size_t)errno);
    }
    for (size_t i = 0; i < OWN; i++)
        if (blocks[i].p) drop(&blocks[i]);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    unsigned threads = (unsigned)atoi(argv[2]);
    operations = strtoul(argv[1], NULL, 10) / threads;
    if (argc > 3) first_seed = strtoul(argv[3], NULL, 10);
    pthread_t thread[256];
    for (unsigned i = 0; i < threads && i < 256; i++) {
        if (pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)(i + 1)) != 0) return 2;
    }
    for (unsigned i = 0; i < threads && i < 256; i++) pthread_join(thread[i], NULL);
    for (size_t i = 0; i < SHARED; i++) {
        struct block *b = atomic_exchange(&shared[i], NULL);
        if (!b) continue;
        drop(b);
        free(b);
    }
    printf("%lu operations, no wrong byte\n", operations * threads);
    return 0;
}
