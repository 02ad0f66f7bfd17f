#include "leaks.h"
#include <pthread.h>
#include <stdlib.h>

static inline __attribute__((always_inline)) void *buffer_new(size_t n) {
    return malloc(n);
}
static inline __attribute__((always_inline)) void connection_open(size_t n) {
    void *p = buffer_new(n);
    __asm__ volatile("" : : "r"(p));
}

__attribute__((noinline)) static void serve(long k) {
    for (int i = 0; i < COUNT(k); i++) connection_open((size_t)BYTES(k));
    __asm__ volatile("");
}

static void *work(void *argument) {
    serve((long)argument);
    __asm__ volatile("");
    return NULL;
}

int main(void) {
    pthread_t t[3];
    for (long k = 0; k < 3; k++) pthread_create(&t[k], NULL, work, (void *)k);
    for (int k = 0; k < 3; k++) pthread_join(t[k], NULL);
    return 0;
}
