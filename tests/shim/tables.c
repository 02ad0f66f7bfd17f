/* Fills weir's tables: tables WHAT [FILE]. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STACKS 530000 /* each leaves two: of malloc and of free */

/* Code in so many places that calls what it is given: push %rbp; mov %rsp, %rbp; call *%rdi; pop %rbp; ret */
static unsigned char (*places)[8];

static void make_places(void) {
    static const unsigned char code[8] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
    size_t size = STACKS * sizeof code;
    places = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (places == MAP_FAILED) abort();
    for (size_t i = 0; i < STACKS; i++) memcpy(places[i], code, sizeof code);
    if (mprotect(places, size, PROT_READ | PROT_EXEC) != 0) abort();
}

static void call_from(size_t i, void (*f)(void)) {
    void (*place)(void (*)(void));
    *(void **)&place = places[i];
    place(f);
}

static void allocate(void) {
    char *volatile p = malloc(16);
    free(p);
}
static void leave_one(void) {
    char *volatile p = malloc(4321);
    if (p) p[0] = 1;
}

static void many_stacks(void) {
    make_places();
    for (size_t i = 0; i < STACKS; i++) call_from(i, allocate);
    call_from(0, leave_one);
}

/* Nothing is left for a table to grow by, while a place is free for a small block. */
static void refused_stacks(void) {
    void **all = NULL;
    make_places();
    for (size_t n = 1 << 20; n >= 16; n /= 2) {
        for (void **p; (p = malloc(n)); all = p) *p = all;
    }
    void **last = all;
    all = *last;
    free(last);
    for (size_t i = 0; i < STACKS; i++) call_from(i, allocate);
    for (void **next; all; all = next) {
        next = *all;
        free(all);
    }
    (void)usleep(50000); /* what is freed is looked for once a tick of the clock */
    call_from(1, leave_one);
}

/* A way of 30 calls, each from one of four places, that is another one nearly each time. Prints how often malloc
 * failed.
 */
static unsigned long failed;
static unsigned long way;
static void step(int depth);
#define FROM(name)                                                                                                     \
    __attribute__((noinline, noclone)) static void name(int depth) {                                                   \
        step(depth - 1);                                                                                               \
        __asm__ volatile("" : : : "memory");                                                                           \
    }
FROM(from_here)
FROM(from_there)
FROM(from_behind)
FROM(from_above)
static void (*const places_to_call[])(int) = {from_here, from_there, from_behind, from_above};
__attribute__((noinline, noclone)) static void step(int depth) {
    way = way * 6364136223846793005u + 1442695040888963407u;
    if (depth > 0) {
        places_to_call[way >> 62](depth);
    } else {
        void *volatile p = malloc(24);
        failed += p == NULL;
        free(p);
    }
    __asm__ volatile("" : : : "memory");
}
static void ever_new_stacks(void) {
    for (int i = 0; i < 400000; i++) step(30);
    printf("%lu failed\n", failed);
}

/* A library by 4,500 names, each time loaded, used and unloaded. */
static void many_modules(const char *file) {
    char name[64];
    for (int i = 0; i < 4500; i++) {
        (void)snprintf(name, sizeof name, "./link%d.so", i);
        if (symlink(file, name) != 0) abort();
        void *library = dlopen(name, RTLD_NOW);
        void *(*make)(size_t) = NULL;
        if (library) *(void **)&make = dlsym(library, "make");
        if (!make) abort();
        ((volatile char *)make(2001))[0] = 1;
        (void)dlclose(library);
        (void)unlink(name);
    }
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "many_stacks") == 0)
        many_stacks();
    else if (strcmp(what, "refused_stacks") == 0)
        refused_stacks();
    else if (strcmp(what, "ever_new_stacks") == 0)
        ever_new_stacks();
    else if (strcmp(what, "many_modules") == 0)
        many_modules(argv[2]);
    else
        return 2;
    return 0;
}
