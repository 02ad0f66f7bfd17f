/* A pool of the program's own: buffers in a chunk that is in use, and what becomes of them. Buffers that are lost have
 * 64 bytes, chunks 65,536 and more. */
#include "tests/shim/lost.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/weir.h"

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
void __lsan_ignore_object(const void *p) __attribute__((weak));
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));
void __lsan_register_root_region(const void *p, size_t n) __attribute__((weak));

static char *volatile chunk; /* what the program knows of it; the first page is the pool's own */
static size_t volatile used;
static hidden kept[64];

static APART void begin(size_t size) {
    chunk = make(size);
    used = 4096;
}

static APART void *take(size_t n) {
    char *p = chunk + used;
    used += n + 16 - n % 16;
    weir_pool_alloc(p, n);
    return p;
}

static APART void lose_buffer(void) {
    hidden p = take(64);
    p = NULL;
    (void)p;
}

static APART void *keep_buffer(size_t n) {
    return take(n);
}

static APART void give_buffer(void) {
    weir_pool_free(take(48));
}

static APART void leaked(void) {
    begin(1 << 20);
    for (int i = 0; i < 3; i++) lose_buffer();
    for (int i = 0; i < 5; i++) kept[i] = keep_buffer(100);
    kept[5] = (char *)keep_buffer(200) + 77; /* into it */
    for (int i = 0; i < 100; i++) give_buffer();
}

/* Buffers lead to blocks and to other buffers; those of a lost buffer are lost with it. */
static APART void chains(void) {
    begin(1 << 20);
    void **first = keep_buffer(101), **second = keep_buffer(102);
    first[1] = make(1001);
    first[2] = second;
    second[3] = make(1002);
    kept[0] = first;
    void **lost = take(64), **behind = keep_buffer(103);
    lost[0] = behind;
    behind[0] = make(1101);
    void **outside = make(1003);
    *outside = keep_buffer(104);
    kept[1] = outside;
    *(void **)(void *)chunk = keep_buffer(105); /* from the pool's own page */
    hidden a = take(65), b = take(66);          /* a cycle */
    *(void **)a = b;
    *(void **)b = a;
}

/* What the chunk's end takes along, in whichever way. */
static APART void chunks(void) {
    begin(1 << 20);
    lose_buffer();
    free(chunk);
    begin(1 << 20); /* the same place, most likely */
    kept[0] = keep_buffer(106);
    begin(1 << 16);
    lose_buffer();
    chunk = realloc(chunk, 40 << 20); /* it moves: what it has given out is no more */
    chunk = realloc(chunk, 80 << 20);
    lose_buffer();
}

/* The first buffer begins where the chunk does. */
static APART void fronts(void) {
    begin(1 << 16);
    used = 0;
    lose_buffer();
    kept[0] = keep_buffer(107);
    weir_pool_alloc(kept[0], 108); /* given out anew: the old one is gone */
    weir_pool_free(kept[0]);
    weir_pool_free(kept[0]);
    weir_pool_free(NULL);
    weir_pool_alloc(NULL, 10);
    weir_pool_alloc((const void *)8, SIZE_MAX);
    weir_pool_alloc(chunk + 60000, 100000); /* more than the chunk has */
    kept[1] = take(0);
}

static APART void lost_chunk(void) {
    begin(1 << 16);
    lose_buffer();
    chunk = NULL;
}

static APART void forked(void) {
    begin(1 << 20);
    lose_buffer();
    kept[0] = keep_buffer(109);
    if (fork() == 0) {
        for (int i = 0; i < 2; i++) lose_buffer();
        weir_pool_free(kept[0]);
        wipe();
        exit(0);
    }
    wait(NULL);
    give_buffer();
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *work(void *unused) {
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&lock);
        if (used > (64u << 20) - 4096) abort();
        void *p = keep_buffer(80);
        pthread_mutex_unlock(&lock);
        if (i % 1000 != 0) weir_pool_free(p);
        p = NULL;
    }
    wipe();
    return unused;
}

/* Twenty of each thread's 20,000 buffers are lost, while others fork. */
static APART void threads(void) {
    pthread_t thread[4];
    begin(64 << 20);
    for (int i = 0; i < 4; i++) pthread_create(&thread[i], NULL, work, NULL);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (int k = 0; k < 100; k++) {
                char *p = chunk + (63 << 20) + (size_t)k * 64;
                weir_pool_alloc(p, 64);
                weir_pool_free(p);
            }
            free(make(1000));
            _exit(0);
        }
        int status;
        if (waitpid(child, &status, 0) != child || status != 0) abort();
    }
    for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
}

static APART void ignored(void) {
    begin(1 << 20);
    hidden p = take(64);
    *(void **)p = make(1004);
    __lsan_ignore_object(p);
    p = NULL;
    wipe();
    printf("%d ", __lsan_do_recoverable_leak_check());
    lose_buffer();
    wipe();
    printf("%d ", __lsan_do_recoverable_leak_check());
}

/* Chunks that the program maps itself, or has in its data: roots, but for what they have given out. */
static char arena[1 << 16] __attribute__((aligned(64)));
static APART void mapped(void) {
    char *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(void **)(void *)map = make(1005); /* from the chunk itself */
    chunk = map;
    used = 4096;
    kept[0] = keep_buffer(110);
    ((void **)kept[0])[1] = make(1006);
    hidden lost = take(64);
    *(void **)lost = make(1102);
    void **wide = take(12288); /* more than is read at a time, and a page of it that nobody may read */
    kept[1] = wide;
    wide = (void *)(((uintptr_t)wide + 4095) & ~(uintptr_t)4095);
    wide[511] = make(1007);
    wide[512] = make(1009);
    mprotect(wide, 4096, PROT_NONE);
    lost = NULL;
    chunk = arena;
    used = 0;
    lose_buffer();
    kept[2] = keep_buffer(111);
    char *gone = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    chunk = gone;
    used = 64;
    lose_buffer();
    munmap(gone, 4096);
    chunk = NULL;
}

/* What it has given out counts as a root where the program says so. */
static APART void region(void) {
    begin(1 << 20);
    void **lost = take(64);
    lost[1] = make(1008);
    __lsan_register_root_region(lost, 64);
}

static volatile unsigned handled;
static void handle(int number) {
    (void)number;
    char *p = chunk + (1 << 19) + (size_t)handled % 1000 * 64;
    __lsan_disable();
    weir_pool_alloc(p, 64);
    free(malloc(100));
    weir_pool_free(p);
    __lsan_enable();
    handled++;
}

/* Handlers that interrupt malloc, free and the pool's calls, which may come too early to be noted, but do no harm. */
static APART void signals(void) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    begin(1 << 20);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; handled < 2000; i++) {
        void *p = make(1 + (size_t)i % 3000);
        used = 4096 + (size_t)i % 5000 * 64;
        give_buffer();
        free(p);
        if (i % 100 == 0) {
            char *other = make(70000);
            weir_pool_alloc(other + 64, 64);
            free(other);
        }
    }
    setitimer(ITIMER_REAL, &never, NULL);
    weir_pool_free(chunk + (1 << 19) + (size_t)(handled - 1) % 1000 * 64);
    lose_buffer();
}

/* Just behind it. */
static APART void past(void) {
    begin(1 << 20);
    kept[0] = (char *)take(64) + 64;
    lose_buffer();
    memset((char *)kept[0], 0, 8);
}

static APART void costs(void) {
    begin(64 << 20);
    for (int i = 0; i < 1000000; i++) {
        used = 4096 + (size_t)i % 1000 * 64;
        give_buffer();
    }
}

static APART void many(void) {
    begin(200 << 20);
    for (int i = 0; i < 1100000; i++) (void)keep_buffer(100);
}

/* Until somebody has looked; nothing that a call has left in a register leads to a part. */
static APART void wait_for_input(void) {
    char byte;
    long got;
    register long r8 __asm__("r8") = 0, r9 __asm__("r9") = 0, r10 __asm__("r10") = 0;
    __asm__ volatile("syscall"
                     : "=a"(got)
                     : "a"(SYS_read), "D"(STDIN_FILENO), "S"(&byte), "d"(1), "r"(r8), "r"(r9), "r"(r10)
                     : "rcx", "r11", "memory");
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"leaked", leaked},   {"chains", chains}, {"chunks", chunks},   {"fronts", fronts},
                 {"lost", lost_chunk}, {"forked", forked}, {"threads", threads}, {"past", past},
                 {"costs", costs},     {"many", many},     {"ignored", ignored}, {"signals", signals},
                 {"mapped", mapped},   {"region", region}};
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(argv[1], cases[i].name) != 0) continue;
        cases[i].run();
        wipe();
        if (argc > 2) puts("ready");
        if (argc > 2) wait_for_input();
        return 0;
    }
    return 2;
}
