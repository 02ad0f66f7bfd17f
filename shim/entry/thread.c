/* Threads: their end, by a key's destructor; what a fork leaves of them, by a handler of fork's. Each round of
 * destructors parks the heap; if a later destructor of the program allocates again, the thread adopts one again and the
 * key is set again, for the next round. */
#include "shim/box/crash.h"
#include "shim/entry/hooks.h"
#include "shim/entry/start.h"
#include "shim/track/jump.h"

#include <limits.h>
#include <pthread.h>

static pthread_key_t key;

static void thread_ended(void *unused) {
    static __thread unsigned char rounds;
    (void)unused;
    /* It ended in a signal handler that had interrupted weir, in a way that entry/leave.c does not see. */
    if (unlikely(arena_is_interrupted()) && jump_left_weir(FRAME)) {
        jump_give_up();
        arena_leave(true);
    }
    bool last = ++rounds >= PTHREAD_DESTRUCTOR_ITERATIONS;
    /* For the next round in any case: one that comes to nothing still counts. (A thread that first allocates in a
     * destructor is counted from there; only if it does so again in the very last round, its heap is lost.) */
    if (!last) (void)pthread_setspecific(key, (void *)1);
    arena_thread_ended(last);
    if (last) crash_thread_ended();
}

/* The program's first thread, too: it may end by pthread_exit. */
static void watch_thread(void) {
    if (pthread_getspecific(key) != NULL) return;
    (void)pthread_setspecific(key, (void *)1);
    crash_watch_thread();
}

void hook_threads(void) {
    (void)pthread_atfork(NULL, NULL, arena_forked);
    if (pthread_key_create(&key, thread_ended) == 0) arena_watch_thread = watch_thread;
}
