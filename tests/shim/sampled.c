/* sampled WHAT: blocks of which the test knows how many there are; prints what it needs to judge. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SITE __attribute__((noinline, noclone))

enum { MANY = 1280000 };
static void *kept[MANY];

SITE static void *first_site(size_t n) {
    void *p = malloc(n);
    __asm__ volatile("" : "+r"(p));
    return p;
}
SITE static void *second_site(size_t n) {
    void *p = malloc(n);
    __asm__ volatile("" : "+r"(p));
    return p;
}
SITE static void *growing_site(void *p, size_t n) {
    p = realloc(p, n);
    __asm__ volatile("" : "+r"(p));
    return p;
}

/* 1,280,000 blocks of one site. */
static int many(void) {
    for (size_t i = 0; i < MANY; i++) kept[i] = first_site(16);
    return 0;
}

/* Every 128th is another site's. */
static int alternating(void) {
    for (size_t i = 0; i < MANY; i++) kept[i] = i % 128 == 0 ? second_site(48) : first_site(48);
    return 0;
}

/* Blocks grow by realloc from 16 bytes on, most of them to another place several times; every third shrinks in the end.
 */
static int reallocated(void) {
    for (size_t i = 0; i < 20000; i++) {
        void *p = first_site(16);
        for (size_t n = 40; n < 3000; n *= 3) p = growing_site(p, n + i % 8);
        if (i % 3 == 0) p = growing_site(p, 100);
        kept[i] = p;
    }
    return 0;
}

/* Large ones, which grow where they are, or move. */
static int large(void) {
    for (size_t i = 0; i < 400; i++) {
        kept[i] = first_site(70000);
        kept[i] = growing_site(kept[i], 120000);
        kept[i] = growing_site(kept[i], 80000 + i * 500);
    }
    return 0;
}

/* 40 children, whose parent has filled its lists: each makes as many blocks. */
static int children(void) {
    for (size_t i = 0; i < 1000; i++) free(first_site(32));
    for (int c = 0; c < 40; c++) {
        pid_t child = fork();
        if (child == 0) {
            for (size_t i = 0; i < 200; i++) kept[i] = first_site(32);
            _exit(0);
        }
        (void)waitpid(child, NULL, 0);
    }
    return 0;
}

/* 3,000 blocks that live for a moment; 400 of 10,000 bytes at once, of which another thread gives half back and this
 * one 150; 50 blocks grow to twice their size where they are made, and go. */
static void *give_half_back(void *unused) {
    for (size_t i = 0; i < 200; i++) free(kept[i]);
    return unused;
}
static int ever(void) {
    pthread_t thread;
    for (size_t i = 0; i < 3000; i++) free(first_site(100));
    for (size_t i = 0; i < 400; i++) kept[i] = second_site(10000);
    (void)pthread_create(&thread, NULL, give_half_back, NULL);
    (void)pthread_join(thread, NULL);
    for (size_t i = 200; i < 350; i++) free(kept[i]);
    for (size_t i = 0; i < 50; i++) {
        void *p = growing_site(NULL, 1000);
        free(growing_site(p, 2000));
    }
    pid_t child = fork(); /* counts what it makes itself */
    if (child == 0) {
        for (size_t i = 350; i < 360; i++) free(kept[i]);
        for (size_t i = 0; i < 7; i++) kept[i] = first_site(100);
        _exit(0);
    }
    (void)waitpid(child, NULL, 0);
    return 0;
}

/* Threads make and free blocks for a second and a half. */
static double now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static void *work(void *argument) {
    double end = *(double *)argument;
    while (now() < end)
        for (int i = 0; i < 1000; i++) free(first_site(64));
    return NULL;
}
static int busy(void) {
    pthread_t threads[4];
    double begin = now(), end = begin + 1.5;
    for (int i = 0; i < 4; i++) (void)pthread_create(&threads[i], NULL, work, &end);
    for (int i = 0; i < 4; i++) (void)pthread_join(threads[i], NULL);
    printf("%.3f\n", now() - begin);
    return 0;
}

int main(int count, char **arguments) {
    static const struct {
        const char *name;
        int (*run)(void);
    } tests[] = {{"many", many},   {"alternating", alternating}, {"reallocated", reallocated},
                 {"large", large}, {"children", children},       {"busy", busy},
                 {"ever", ever}};
    for (size_t i = 0; count == 2 && i < sizeof tests / sizeof *tests; i++)
        if (strcmp(arguments[1], tests[i].name) == 0) return tests[i].run();
    return 2;
}
