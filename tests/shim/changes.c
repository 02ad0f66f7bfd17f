/* Goes on when a line comes on standard input, so that options may be changed in between.
 *   changes blocks        2,000 blocks by `before`; a line; 2,000 by `after`; a line; 2,000 by `later`, all of 100
 * bytes changes large         at each line tries to have 64 MiB, prints "got" or "refused", gives it back changes storm
 * N       N threads make, check, grow and free blocks until standard input ends Prints "ready" first, and a line for
 * each that it gets. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

static void *volatile held[6000];

NOINLINE static void before(int i) {
    held[i] = malloc(100);
}
NOINLINE static void after(int i) {
    held[i] = malloc(100);
}
NOINLINE static void later(int i) {
    held[i] = malloc(100);
}

static bool wait_for_line(const char *say) {
    char line[16];
    puts(say);
    fflush(stdout);
    return fgets(line, sizeof line, stdin) != NULL;
}

static int blocks(void) {
    for (int i = 0; i < 2000; i++) before(i);
    if (!wait_for_line("ready")) return 1;
    for (int i = 2000; i < 4000; i++) after(i);
    if (!wait_for_line("after")) return 1;
    for (int i = 4000; i < 6000; i++) later(i);
    return !wait_for_line("later");
}

static int large(void) {
    for (const char *say = "ready"; wait_for_line(say);) {
        void *volatile p = malloc((size_t)64 << 20);
        say = p ? "got" : "refused";
        free(p);
    }
    return 0;
}

static _Atomic bool over;
static _Atomic int wrong;

static void *work(void *argument) {
    enum { LIVE = 256 };
    unsigned char *p[LIVE] = {0};
    size_t size[LIVE] = {0};
    uint64_t seed = (uint64_t)(uintptr_t)argument * 2 + 1;
    for (unsigned n = 0; !atomic_load(&over); n++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t at = seed >> 33 & (LIVE - 1), bytes = 1 + (seed >> 41) % (n % 64 ? 700 : 100000);
        if (p[at] && (p[at][0] != (unsigned char)at || p[at][size[at] - 1] != (unsigned char)at))
            atomic_fetch_add(&wrong, 1);
        if (p[at] && seed >> 62 == 0) {
            p[at] = realloc(p[at], bytes);
        } else {
            free(p[at]);
            p[at] = seed >> 61 & 1 ? malloc(bytes) : calloc(1, bytes);
        }
        if (!p[at]) exit(3);
        size[at] = bytes;
        p[at][0] = p[at][bytes - 1] = (unsigned char)at;
        if (n % 20000 == 0) {
            pid_t child = fork();
            if (child == 0) {
                free(malloc(bytes));
                _exit(0);
            }
            waitpid(child, NULL, 0);
        }
    }
    for (size_t i = 0; i < LIVE; i++) free(p[i]);
    return NULL;
}

static int storm(int threads) {
    pthread_t t[16];
    for (int i = 0; i < threads; i++) pthread_create(&t[i], NULL, work, (void *)(uintptr_t)i);
    for (const char *say = "ready"; wait_for_line(say);) say = "on";
    atomic_store(&over, true);
    for (int i = 0; i < threads; i++) pthread_join(t[i], NULL);
    printf("wrong %d\n", wrong);
    return wrong != 0;
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "";
    if (!strcmp(how, "blocks")) return blocks();
    if (!strcmp(how, "large")) return large();
    if (!strcmp(how, "storm")) return storm(argc > 2 ? atoi(argv[2]) : 2);
    return 2;
}
