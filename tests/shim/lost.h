/* Blocks of which a program is sure that it has lost them: made and forgotten where no word of them stays behind. */
#ifndef WEIR_TESTS_LOST_H
#define WEIR_TESTS_LOST_H

#include <stdint.h>
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

/* One that only a register leads to: in memory its pointer lies with some bits changed. */
#define LOST_KEY 0x5a5a5a5a5a5a5a5aull
static APART uintptr_t make_changed(size_t n) {
    return (uintptr_t)make(n) ^ LOST_KEY;
}

/* With the pointer in r12 alone, for ever, in pause. */
static APART void keep_in_register(uintptr_t changed) {
    register uintptr_t held __asm__("r12") = changed;
    __asm__ volatile("xor %1, %0\n1: mov $34, %%eax\n syscall\n jmp 1b"
                     : "+r"(held)
                     : "r"(LOST_KEY)
                     : "rax", "rcx", "r11", "memory");
}

static APART void lose(size_t n) {
    hidden p = make(n);
    p = NULL;
    (void)p;
}

#endif
