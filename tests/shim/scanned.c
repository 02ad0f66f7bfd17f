/* Blocks that only a pointer in another form leads to, or one in memory that is not everybody's root (WEIR_SCAN). What
 * is lost whatever the search has 1001 bytes. */
#include "tests/shim/lost.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct __attribute__((packed)) packed {
    char kind;
    void *pointer;
};
static volatile struct packed here;             /* module data */
static _Alignas(4096) char table[3 * 64 << 10]; /* looked at in chunks of 64 KiB */
static void *volatile keeper;

static APART void unaligned(void) {
    here.pointer = make(1101);
    struct packed *block = make(1102);
    block->pointer = make(1103);
    keeper = block;
    void *across = make(1104), *last = make(1105), **odd = make(1106 | 1);
    memcpy(table + (64 << 10) - 3, &across, sizeof across); /* where one chunk ends and the next one begins */
    memcpy((char *)odd + 1107 - sizeof last, &last, sizeof last);
    memcpy(table + 104, &odd, sizeof odd);
}

/* Marks in the bits that an address does not have, and in those that a block's beginning does not. */
static APART void tagged(void) {
    static uintptr_t high, low, both;
    high = (uintptr_t)make(1201) | (uintptr_t)0xab << 56;
    low = (uintptr_t)make(1202) | 7;
    both = (uintptr_t)make(1203) | (uintptr_t)0xffff << 48 | 1;
    keeper = &high;
    keeper = &low;
    keeper = &both;
}

static __thread hidden in_thread;
static void *wait_for_ever(void *unused) {
    hidden local = make(1304);
    in_thread = make(1305);
    for (;;) pause();
    return local ? unused : NULL;
}

static APART void roots(void) {
    void **private = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void **shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    private[77] = make(1301);
    shared[7] = make(1302);
    void **brk = sbrk(4096);
    brk[3] = make(1303);
    pthread_t thread;
    if (pthread_create(&thread, NULL, wait_for_ever, NULL) != 0) abort();
    usleep(50000);
    in_thread = make(1306);
    keeper = make(1307);
    char *stack = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t given; /* a thread's stack is one, also where the program has mapped it */
    pthread_attr_init(&given);
    pthread_attr_setstack(&given, stack, 1 << 20);
    if (pthread_create(&thread, &given, wait_for_ever, NULL) != 0) abort();
    usleep(50000);
}

int main(int argc, char **argv) {
    hidden on_stack = make(1308);
    if (argc < 2) return 2;
    if (strcmp(argv[1], "unaligned") == 0) unaligned();
    if (strcmp(argv[1], "tagged") == 0) tagged();
    if (strcmp(argv[1], "roots") == 0) roots();
    lose(1001);
    wipe();
    exit(on_stack == NULL);
}
