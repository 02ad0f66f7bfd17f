/* collected N: loses blocks of 1 MiB under a ceiling that holds a few dozen of them until N were refused, and keeps
 * eight, also of other families. Prints how many it got and how many requests were refused, and whether what it kept is
 * whole. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SIZE ((size_t)1 << 20)
static char *kept[8];
static char *volatile sink;

static bool whole(void) {
    for (size_t i = 0; i < 8; i++)
        for (size_t k = 0; k < SIZE; k += 4096)
            if (kept[i][k] != (char)(i + 1)) return false;
    return true;
}

static __attribute__((noinline)) bool lose(void) {
    char *p = malloc(SIZE);
    if (!p) return false;
    memset(p, 0x55, SIZE);
    sink = p;
    sink = NULL;
    return true;
}
static __attribute__((noinline)) void wipe(void) {
    volatile char room[16384];
    for (size_t i = 0; i < sizeof room; i++) room[i] = 0;
}

int main(int argc, char **argv) {
    int got = 0, refused = 0, most = argc > 1 ? atoi(argv[1]) : 0;
    for (size_t i = 0; i < 8; i++) {
        kept[i] = i % 2 ? malloc(SIZE) : aligned_alloc(64, SIZE);
        memset(kept[i], (int)(i + 1), SIZE);
    }
    while (got < 120 && refused < most) {
        if (lose()) {
            got++;
            continue;
        }
        refused++;
        wipe();
        usleep(1100000);
    }
    printf("got %d, refused %s, %s\n", got, refused < most ? "sometimes" : "always", whole() ? "whole" : "broken");
    return 0;
}
