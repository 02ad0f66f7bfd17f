/* Blocks of which a program is sure that it has lost them: made and forgotten where no word of them stays behind. */
#ifndef WEIR_TESTS_LOST_H
#define WEIR_TESTS_LOST_H

#include <stdlib.h>
#include <string.h>

#define APART __attribute__((noinline, unused))
typedef void *volatile hidden; /* else the compiler would see that nobody reads it */

/* What the functions below leave behind on the stack. */
static APART void wipe(void) {
    char room[65536];
    memset(room, 0, sizeof room);
    __asm__ volatile("" ::"r"(room) : "memory");
}

static APART void *make(size_t n) {
    char *p = malloc(n);
    if (!p) abort();
    memset(p, 0, n);
    return p;
}

static APART void lose(size_t n) {
    hidden p = make(n);
    p = NULL;
    (void)p;
}

#endif
