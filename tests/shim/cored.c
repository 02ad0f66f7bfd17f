/* A program that ends by a core. First it makes blocks at three sites, in two threads; then what its argument says. */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

struct item {
    struct item *next;
    char rest[504];
};

static void *kept[1000];
static pthread_barrier_t made;

static NOINLINE void *few(void) {
    return malloc(100);
}
static NOINLINE void *large(void) {
    return malloc(300000);
}
static NOINLINE void *grown(void) {
    return realloc(malloc(10), 5000);
}
static NOINLINE void *large_ones(size_t count) {
    for (size_t i = 0; i < count; i++) kept[910 + i] = malloc(20 << 20);
    return kept[910];
}
static NOINLINE void maps_some(void) {
    for (size_t i = 1; i < 4; i++) {
        char *p = mmap(NULL, i << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED || munmap(p, 8192) != 0) exit(2);
    }
}
static NOINLINE void make_some(size_t from) {
    for (size_t i = from; i < from + 100; i++) kept[i] = few();
    for (size_t i = from + 100; i < from + 104; i++) kept[i] = large();
    for (size_t i = from + 104; i < from + 110; i++) kept[i] = grown();
    for (size_t i = from; i < from + 100; i += 3) free(kept[i]), kept[i] = NULL;
}

static void say(const char *what) {
    printf("%s %ld\n", what, syscall(SYS_gettid));
    fflush(stdout);
}

/* A thread that is there at the end. */
static void *waits(void *unused) {
    (void)unused;
    say("waits");
    make_some(500);
    pthread_barrier_wait(&made);
    for (int i = 0; i < 1000; i++) pause();
    return NULL;
}

/* --- a block that is used after it was freed by another thread --- */

static NOINLINE struct item *make_item(void) {
    struct item *item = malloc(sizeof *item);
    item->next = NULL;
    return item;
}
static NOINLINE void *free_item(void *item) {
    say("frees");
    free(item);
    return NULL;
}
static NOINLINE long use_item(struct item *volatile item) {
    return item->next->rest[0] + 1;
}
static void *uses(void *item) {
    say("uses");
    return (void *)use_item(item);
}

static NOINLINE void *follows(void *item) {
    char *volatile *pointer = (void *)((struct item *)item)->rest;
    return (void *)(intptr_t)(*pointer)[8];
}

/* --- what is written over, and nobody notices before the end --- */

static NOINLINE void smash(void *volatile to, int byte, size_t n) {
    memset(to, byte, n);
}

/* A word at the start of a freed block, to nowhere; to a live one; and in its middle. */
static void smash_freed(const char *what, struct item *item, struct item *other) {
    if (!strcmp(what, "link")) smash(item, 'A', 8);
    if (!strcmp(what, "circle")) item->next = other;             // NOLINT: that is what is tested
    if (!strcmp(what, "middle")) smash(item->rest + 92, 'A', 3); // NOLINT
}

static void in_thread(void *(*what)(void *), void *of) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, what, of) != 0 || pthread_join(thread, NULL) != 0) exit(2);
}

/* --- what else ends it --- */

static NOINLINE long dives(volatile char *above, long depth) {
    volatile char here[1000];
    here[0] = *above;
    if (depth < 0) return 0;
    return dives(here, depth + 1) + here[0] + depth;
}
/* Whole slices, with nothing behind them where there are guards. */
static NOINLINE void reads_behind(void) {
    volatile char *run = malloc(262144);
    (void)run[262144 + 24];
}
static NOINLINE void writes_behind(char *volatile block) {
    memset(block + 100, 'x', 3);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    pthread_t other;
    say("main");
    make_some(0);
    if (pthread_barrier_init(&made, NULL, 2) != 0 || pthread_create(&other, NULL, waits, NULL) != 0) return 2;
    pthread_barrier_wait(&made);
    if (!strcmp(what, "uses_freed")) {
        struct item *item = make_item();
        in_thread(free_item, item);
        in_thread(uses, item);
    }
    if (!strcmp(what, "follows_freed")) {
        struct item *item = make_item();
        in_thread(free_item, item);
        in_thread(follows, item);
    }
    if (!strcmp(what, "frees_twice")) {
        struct item *volatile item = make_item();
        in_thread(free_item, item);
        free(item);
    }
    if (!strncmp(what, "smashes_", 8)) {
        struct item *items[3] = {make_item(), make_item(), make_item()};
        bool remote = argc > 2;
        for (int i = 0; i < 3; i++) {
            printf("item%d %p\n", i, (void *)items[i]);
            if (remote)
                in_thread(free_item, items[i]);
            else
                free_item(items[i]);
        }
        smash_freed(what + 8, items[1], items[2]);
        fflush(stdout);
        abort();
    }
    if (!strcmp(what, "overflows")) return (int)dives(argv[0], 0);
    if (!strcmp(what, "reads_behind")) reads_behind();
    if (!strcmp(what, "writes_behind")) {
        writes_behind(kept[1]);
        abort();
    }
    if (!strcmp(what, "calls_nothing")) ((void (*)(void))(uintptr_t)argc - 2)();
    if (!strcmp(what,
                "holds_much")) { /* more slices than one piece of descriptors that a reader takes; all in one go */
        kept[900] = large_ones(20);
        kept[901] = realloc(malloc(20 << 20), 25 << 20);
        kept[902] = malloc(300 << 20);
        maps_some();
    }
    if (!strcmp(what, "waits")) pause();
    if (!strcmp(what, "forks") && fork() != 0) _exit(0);
    abort();
}
