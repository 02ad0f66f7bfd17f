/* Maps memory in all the ways that libc has, and leaves what mappings.bats has computed by hand: 4 reservations of
 * 1 GiB of which 1 MiB each is writable, half a MiB of one and what follows unmapped; 4 MiB by syscall; 1 MiB of brk; a
 * file of 1 MiB, shared.
 *   mappings keep       the above
 *   mappings fill       and then 1 MiB each until it is refused; prints how many, errno, and whether malloc goes on
 *   mappings cross      goes three times up to 60 MiB and back to none, by 1 MiB, each with a step back and forth
 *   mappings falls      maps 60 MiB, gives them back, and ends by _exit
 *   mappings reserve    takes MiBs by malloc and mmap until both are refused, then small blocks: prints MiB of each
 *   mappings info       ends well where mallinfo2 does not count a mapping
 *   mappings survive N  4 threads are refused N times by mmap, malloc and mprotect, give all back; prints "survived"
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

static char *map(size_t n, int protection) {
    char *p = mmap(NULL, n, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static int keep(void) {
    char *p[4];
    for (int i = 0; i < 4; i++) {
        p[i] = map(GIB, PROT_NONE);
        if (!p[i] || mprotect(p[i] + 64 * MIB, MIB, PROT_READ | PROT_WRITE) != 0) return 1;
        p[i][64 * MIB] = 1;
    }
    if (munmap(p[1] + 64 * MIB + MIB / 2, GIB - 64 * MIB - MIB / 2) != 0) return 2;
    char *q = (char *)syscall(SYS_mmap, NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0l);
    if (q == MAP_FAILED || syscall(SYS_munmap, q + MIB, 4 * MIB) != 0) return 3;
    char *end = sbrk(0), *again = sbrk((intptr_t)MIB);
    if (again != end || sbrk(0) != end + MIB || brk(end + 2 * MIB) != 0 || brk(end + MIB) != 0) return 4;
    FILE *f = tmpfile();
    if (!f || ftruncate(fileno(f), MIB) != 0) return 5;
    char *shared = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
    fclose(f);
    return shared == MAP_FAILED ? 6 : 0;
}

static int fill(void) {
    int n = 0;
    while (map(MIB, PROT_READ | PROT_WRITE)) n++;
    printf("%d: %s\n", n, strerror(errno));
    return malloc(100) && !malloc(2 * MIB) ? 0 : 7;
}

static void *be_refused(void *times) {
    char *none = map(64 * MIB, PROT_NONE), *held[64] = {0};
    for (long i = 0; i < (long)times; i++) {
        char **p = &held[i % 64];
        if (*p) munmap(*p, MIB), *p = NULL;
        *p = map(MIB, PROT_READ | PROT_WRITE);
        if (*p) **p = 1;
        char *block = malloc(3 * MIB);
        if (block) block[0] = 1;
        free(block);
        if (mprotect(none, 64 * MIB, PROT_READ | PROT_WRITE) == 0) abort();
        if (errno != ENOMEM) abort();
    }
    for (int i = 0; i < 64; i++)
        if (held[i]) munmap(held[i], MIB);
    munmap(none, 64 * MIB);
    return NULL;
}

static int survive(long times) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, be_refused, (void *)times) != 0) return 8;
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    puts("survived");
    return 0;
}

static int cross(void) {
    char *held[64] = {0};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 60; i++) {
            if (!(held[i] = map(MIB, PROT_READ | PROT_WRITE))) return 9;
            munmap(held[i], MIB);
            held[i] = map(MIB, PROT_READ | PROT_WRITE);
        }
        for (int i = 59; i >= 0; i--) {
            munmap(held[i], MIB);
            held[i] = map(MIB, PROT_READ | PROT_WRITE);
            munmap(held[i], MIB);
        }
    }
    return 0;
}

static int falls(void) {
    char *held = map(60 * MIB, PROT_READ | PROT_WRITE);
    if (!held || munmap(held, 60 * MIB) != 0) return 9;
    _exit(0);
}

/* malloc's statistics are of malloc, and of weir's tables: a tracked mapping has a megabyte of those at first. */
static int info(void) {
    struct mallinfo2 before = mallinfo2();
    char *p = map(32 * MIB, PROT_READ | PROT_WRITE);
    struct mallinfo2 now = mallinfo2();
    if (!p || now.arena > before.arena + 8 * MIB || now.fordblks > before.fordblks + 8 * MIB) return 10;
    return munmap(p, 32 * MIB);
}

static int reserve(void) {
    int large = 0, small = 0;
    while (malloc(MIB)) large++;
    while (map(MIB, PROT_READ | PROT_WRITE)) large++;
    while (malloc(1000)) small++;
    printf("%d %d\n", large, small / 1000);
    return 0;
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "keep";
    if (!strcmp(how, "survive")) return survive(argc > 2 ? atol(argv[2]) : 1000);
    if (!strcmp(how, "cross")) return cross();
    if (!strcmp(how, "falls")) return falls();
    if (!strcmp(how, "reserve")) return reserve();
    if (!strcmp(how, "info")) return info();
    int failed = keep();
    return failed || strcmp(how, "fill") != 0 ? failed : fill();
}
