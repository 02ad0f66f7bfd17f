/* Threads: their end, by a key's destructor. It comes back for another round while the program's destructors may still
 * allocate; the last one parks the heap. */
#include "shim/entry/hooks.h"
#include "shim/entry/start.h"

#include <limits.h>
#include <pthread.h>

static pthread_key_t key;

static void thread_ended(void *round) {
    uintptr_t n = (uintptr_t)round;
    if (n < PTHREAD_DESTRUCTOR_ITERATIONS && pthread_setspecific(key, (void *)(n + 1)) == 0) return;
    arena_thread_ended();
}

/* The program's first thread, too: it may end by pthread_exit. */
static void watch_thread(void) {
    if (pthread_getspecific(key) == NULL) (void)pthread_setspecific(key, (void *)1);
}

void hook_threads(void) {
    if (pthread_key_create(&key, thread_ended) == 0) arena_watch_thread = watch_thread;
}
