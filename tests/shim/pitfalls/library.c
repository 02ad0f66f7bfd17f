/* Libraries that do what breaks allocators, one a build: the macro says which. */
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined EARLY /* a dependency of the program: its constructor runs before a preloaded library's */
char *early_block, *early_refused = (char *)1;
static char *kept;
__attribute__((constructor)) static void start(void) {
    free(NULL); /* the first call of all */
    early_block = strdup("made early");
    early_refused = malloc((size_t)1 << 40);
    kept = malloc(4321);
    kept[0] = 1;
}
__attribute__((destructor)) static void end(void) {
    free(kept);
}
void early_free(void *p) {
    free(p);
}

#elif defined THREADED /* its constructor waits for a thread that allocates */
static void *work(void *argument) {
    for (size_t n = 0; n < 5000; n++) free(malloc(n));
    return argument;
}
__attribute__((constructor)) static void start(void) {
    pthread_t t;
    if (pthread_create(&t, NULL, work, NULL) != 0) abort();
    (void)pthread_join(t, NULL);
}

#elif defined                                                                                                          \
    RESTARTER /* starts its worker again in each child of fork; registered before a preloaded library's handlers */
#    include <stdatomic.h>
#    include <stdio.h>
#    include <unistd.h>
static atomic_int busy;
static void *work(void *argument) {
    unsigned char *p[64] = {NULL};
    for (unsigned n = 0, s = 1;; n++) {
        s = s * 1103515245 + 12345;
        unsigned char **at = &p[s >> 16 & 63];
        for (int i = 0; *at && i < 32; i++) {
            if ((*at)[i] == 0xa0) continue;
            fprintf(stderr, "the worker's block is another's too\n");
            abort();
        }
        free(*at);
        *at = memset(malloc(48), 0xa0, 48);
        if (n == 500) busy = 1;
        if (n % 100 == 0) usleep(100);
    }
    return argument;
}
static void restart(void) {
    pthread_t t;
    busy = 0;
    if (pthread_create(&t, NULL, work, NULL) != 0) abort();
    while (!busy) usleep(100);
}
__attribute__((constructor)) static void start(void) {
    (void)pthread_atfork(NULL, NULL, restart);
}
void restarter(void) {}

#elif defined MAPPER /* another preloaded library: looks mmap up when it is first called */
#    include <sys/types.h>
int mapper_calls;
void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset) {
    static void *(*next)(void *, size_t, int, int, int, off_t);
    if (!next) {
        *(void **)&next = dlsym(RTLD_NEXT, "mmap");
        (void)dlsym(RTLD_NEXT, "no_such_function"); /* allocates its error */
    }
    mapper_calls++;
    return next(at, n, protection, flags, fd, offset);
}

#elif defined AUDITOR
unsigned la_version(unsigned version) {
    return version;
}

#elif defined FRIEND /* makes and frees blocks for others */
void *friend_make(size_t n) {
    return memset(malloc(n), 7, n);
}
void friend_free(void *p) {
    free(p);
}

#elif defined LAZY /* its thread storage is allocated when a thread first touches it */
static __thread char room[100000];
char *lazy_room(void) {
    room[5] = 1;
    return room;
}

#elif defined FORWARDER
/* What a profiler's preload does: counts, and asks the next malloc, which it looks up in its constructor. */
static void *(*next_malloc)(size_t);
static void (*next_free)(void *);
__attribute__((constructor)) static void start(void) {
    *(void **)&next_malloc = dlsym(RTLD_NEXT, "malloc");
    *(void **)&next_free = dlsym(RTLD_NEXT, "free");
}
void *malloc(size_t size) {
    return next_malloc(size);
}
void free(void *ptr) {
    next_free(ptr);
}
#endif
