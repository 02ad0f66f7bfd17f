/* mixed THREADS ROUNDS [TIMES]: threads that allocate, map, change protections, move and give back, at a ceiling; what
 * is refused is done without. Each time all is given back in the end, and what is charged then is printed, in bytes; at
 * last the peak of what was resident, in KiB. */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define BLOCKS 40
#define MAPS   6

static unsigned rounds;
static atomic_uint wrong;

struct thread {
    pthread_t id;
    unsigned seed;
};

static unsigned next_of(struct thread *t) {
    t->seed = t->seed * 1103515245 + 12345;
    return t->seed >> 8;
}

static size_t some_size(struct thread *t) {
    switch (next_of(t) % 24) {
    case 0:
        return 70000 + next_of(t) % 2000000;
    case 1:
    case 2:
        return 4000 + next_of(t) % 60000;
    default:
        return next_of(t) % 1500;
    }
}

struct block {
    unsigned char *at;
    size_t n;
    unsigned char mark;
};

static void check(const struct block *b) {
    if (b->at && b->n > 0 && (b->at[0] != b->mark || b->at[b->n - 1] != b->mark || b->at[b->n / 2] != b->mark)) wrong++;
}

static void put_mark(struct block *b, unsigned char mark) {
    b->mark = mark;
    memset(b->at, mark, b->n);
}

static void change_block(struct thread *t, struct block *b) {
    check(b);
    size_t n = some_size(t);
    if (b->at && next_of(t) % 4 == 0) {
        unsigned char *p = realloc(b->at, n + 1);
        if (!p) return;
        b->at = p;
        b->n = n + 1 < b->n ? n + 1 : b->n;
        check(b);
        b->n = n + 1;
    } else {
        free(b->at);
        b->at = malloc(n);
        b->n = b->at ? n : 0;
    }
    if (b->at) put_mark(b, (unsigned char)next_of(t));
}

static void change_map(struct thread *t, struct block *m) {
    check(m);
    if (!m->at) {
        m->n = (1 + next_of(t) % 100) * 4096ul;
        void *p = mmap(NULL, m->n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        m->at = p == MAP_FAILED ? NULL : p;
        if (m->at) put_mark(m, 7);
        return;
    }
    if (next_of(t) % 3 == 0) {
        size_t n = (1 + next_of(t) % 200) * 4096ul;
        void *p = mremap(m->at, m->n, n, MREMAP_MAYMOVE);
        if (p == MAP_FAILED) return;
        m->at = p;
        m->n = n;
        put_mark(m, 9);
    } else if (next_of(t) % 3 == 0) {
        if (mprotect(m->at, m->n, PROT_READ) == 0 && mprotect(m->at, m->n, PROT_READ | PROT_WRITE) != 0) {
            munmap(m->at, m->n); /* what it gave away it may not get back */
            m->at = NULL;
        }
    } else {
        munmap(m->at, m->n);
        m->at = NULL;
    }
}

static void *run(void *argument) {
    struct thread *t = argument;
    struct block blocks[BLOCKS] = {0}, maps[MAPS] = {0};
    for (unsigned i = 0; i < rounds; i++) {
        change_block(t, &blocks[next_of(t) % BLOCKS]);
        if (i % 8 == 0) change_map(t, &maps[next_of(t) % MAPS]);
    }
    for (int i = 0; i < BLOCKS; i++) {
        check(&blocks[i]);
        free(blocks[i].at);
    }
    for (int i = 0; i < MAPS; i++) {
        check(&maps[i]);
        if (maps[i].at) munmap(maps[i].at, maps[i].n);
    }
    return NULL;
}

static bool run_all(struct thread *threads, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&threads[i].id, NULL, run, &threads[i]) != 0) return false;
    for (unsigned i = 0; i < count; i++) pthread_join(threads[i].id, NULL);
    malloc_trim(0);
    fprintf(stderr, "used %zu\n", mallinfo2().arena);
    return true;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    unsigned count = (unsigned)atoi(argv[1]), times = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
    rounds = (unsigned)atoi(argv[2]);
    struct thread *threads = calloc(count, sizeof *threads);
    if (!threads) return 3;
    for (unsigned i = 0; i < count; i++) threads[i].seed = i + 1;
    while (times-- > 0)
        if (!run_all(threads, count)) return 3;
    free(threads);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("wrong %u\n", wrong);
    fprintf(stderr, "peak %ld\n", usage.ru_maxrss);
    return 0;
}
