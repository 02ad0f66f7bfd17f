/* A signal at every instruction: everywhere KIND [STEPS]. A child repeats a few calls of the allocator; each time its
 * parent steps to another of weir's instructions before it sends a signal: to each in turn, or to random ones until it
 * has made STEPS steps. The handler allocates and frees, also blocks of the slabs that are being worked on. All blocks
 * keep their bytes, and none stays live. Prints "N instructions, M signals". */
#include "shim/weir.h"
#include "stepping.h"

#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define STOP_SIGNAL SIGUSR1

/* Few instructions: they are stepped through as well. */
struct block {
    uint64_t *p; /* the tag stands at both ends */
    size_t size;
    uint64_t tag;
};

static void broken(const char *what, size_t size) {
    fprintf(stderr, "%s of %zu bytes\n", what, size);
    abort();
}

static void mark(struct block *b, void *p, size_t size) {
    static uint64_t tag = 0x5745495200000000;
    if (!p) broken("refused: a block", size);
    *b = (struct block){p, size / 8, ++tag};
    b->p[0] = b->p[b->size - 1] = b->tag;
}

static void check(const struct block *b) {
    if (b->p[0] != b->tag || b->p[b->size - 1] != b->tag) broken("another's bytes in a block", b->size * 8);
}

static struct block take(size_t size) {
    struct block b;
    mark(&b, malloc(size), size);
    return b;
}

static void give(struct block *b) {
    if (!b->p) return;
    check(b);
    free(b->p);
    b->p = NULL;
}

/* --- what is interrupted --- */

static int null_fd;
static struct block others[8]; /* made by another thread */

static void *make_others(void *unused) {
    for (size_t i = 0; i < 8; i++) others[i] = take(i % 2 ? 40 : 3000);
    return unused;
}

static void take_and_give(const size_t *sizes, size_t n) {
    struct block b[16];
    for (size_t i = 0; i < n; i++) b[i] = take(sizes[i]);
    for (size_t i = 0; i < n; i++) give(&b[i]);
}
#define TAKE_AND_GIVE(...)                                                                                             \
    take_and_give((const size_t[]){__VA_ARGS__}, sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t))

static void hits(void) {
    TAKE_AND_GIVE(40, 40, 100, 1000);
}
static void lists(void) {
    TAKE_AND_GIVE(1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000);
}
static void places(void) {
    TAKE_AND_GIVE(3000, 3000, 8000, 20000, 50000);
}
static void runs(void) {
    TAKE_AND_GIVE(100000, 300000, 2000000);
}
static void sizes_change(void) {
    /* A long copy would be a step a byte. */
    static const size_t sizes[] = {20, 200, 300, 1500, 1900, 100000, 130000, 70000};
    struct block b = take(sizes[0]), c;
    for (size_t i = 1; i < sizeof sizes / sizeof sizes[0]; i++) {
        mark(&c, realloc(b.p, sizes[i]), sizes[i]);
        b = c;
    }
    give(&b);
    uint64_t *p = calloc(10, 48);
    for (size_t i = 0; i < 60; i += 7)
        if (p[i]) broken("calloc left bytes in a block", 480);
    free(p);
    mark(&b, aligned_alloc(256, 1024), 1024);
    if ((uintptr_t)b.p % 256) broken("not aligned: a block", 1024);
    give(&b);
}
static void from_others(void) {
    for (size_t i = 0; i < 8; i++) give(&others[i]);
    TAKE_AND_GIVE(40, 3000);
}

static void touches(void) {
    struct block b = take(40);
    for (int i = 0; i < 3; i++) weir_touch(b.p + i, "a hint");
    mark(&b, realloc(b.p, 48), 48);
    mark(&b, realloc(b.p, 400), 400); /* moves, with its records */
    weir_touch(b.p, "another hint");
    struct iovec v[2] = {{b.p, 8}, {b.p, 8}};
    if (write(null_fd, b.p, 8) != 8 || writev(null_fd, v, 2) != 16) broken("not written: bytes", 16);
    give(&b);
    b = take(16); /* where records were */
    weir_touch(b.p, "a hint");
    give(&b);
}

static const struct {
    const char *name;
    void (*run)(void);
    bool with_others;
} kinds[] = {
    {"hits", hits, false},
    {"lists", lists, false},
    {"places", places, false},
    {"runs", runs, false},
    {"sizes_change", sizes_change, false},
    {"from_others", from_others, true},
    {"touches", touches, false},
};

/* --- what interrupts --- */

static struct block victims[6]; /* for the handler to free */
static volatile sig_atomic_t handled;

static struct block kept[5];

static void handle(int signal) {
    static const size_t sizes[] = {40, 1000, 3000, 20000, 120000};
    (void)signal;
    weir_touch(victims[0].p, "in a handler");
    for (size_t i = 0; i < sizeof victims / sizeof victims[0]; i++) give(&victims[i]);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct block b = take(sizes[i]), c = take(sizes[i]);
        give(&kept[i]); /* of the signal before */
        give(&b);
        kept[i] = c;
    }
    struct block b = take(500000);
    mark(&b, realloc(b.p, 200000), 200000);
    weir_touch(b.p, "another hint");
    if (null_fd > 0 && write(null_fd, b.p, 8) != 8) broken("not written: bytes", 8);
    give(&b);
    handled++;
}

static _Noreturn void child(size_t kind) {
    static const size_t sizes[] = {40, 40, 1000, 1000, 3000, 200000};
    struct mallinfo2 first = {0};
    signal(STOP_SIGNAL, handle);
    null_fd = open("/dev/null", O_WRONLY);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    for (;;) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            give(&victims[i]);
            victims[i] = take(sizes[i]);
        }
        pthread_t thread;
        if (kinds[kind].with_others &&
            (pthread_create(&thread, NULL, make_others, NULL) != 0 || pthread_join(thread, NULL) != 0)) {
            abort();
        }
        /* No block is live that the program does not have: what a handler made and freed has gone. */
        struct mallinfo2 now = mallinfo2();
        if (first.hblks == 0) first = now;
        if (now.hblks != first.hblks) broken("more runs are live than in the first round: blocks", now.uordblks);
        int before = handled;
        BREAK();
        kinds[kind].run();
        BREAK();
        for (size_t i = 0; i < 5; i++) give(&kept[i]);
        if (handled != before + 1) broken("no signal came: a round", 0);
    }
}

/* One round, with the signal at instruction `at`, or at its end. How many there were before the signal; ends the
 * program where the round does not end as it should. */
static long play(const struct stepped *s, const char *kind, long at) {
    uintptr_t where = 0;
    long done = stepping_count(s, at, &where);
    int stop = done < 0 ? -1 : stepping_continue(s, STOP_SIGNAL);
    if (stop == SIGTRAP) stop = stepping_continue(s, 0); /* to the next round */
    if (stop == SIGTRAP) return done;
    fprintf(stderr, "%s: stopped by %d after a signal at instruction %ld, %#lx in libweir.so\n", kind, stop, done,
            (unsigned long)where);
    exit(1);
}

int main(int argc, char **argv) {
    size_t kind = 0;
    while (argc > 1 && kind < sizeof kinds / sizeof kinds[0] && strcmp(argv[1], kinds[kind].name) != 0) kind++;
    if (argc < 2 || kind == sizeof kinds / sizeof kinds[0]) return 2;
    cpu_set_t one; /* both on one: a step is a switch from one to the other and back */
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    struct stepped s = {.pid = fork()};
    if (s.pid == 0) child(kind);
    int status;
    waitpid(s.pid, &status, 0); /* the first breakpoint */
    if (!stepping_find_weir(&s)) return 2;
    long all = 0, signals = 0, steps = argc > 2 ? atol(argv[2]) : 0;
    if (steps == 0) {
        /* Rounds differ a little: the end is where several in a row were shorter. */
        for (int shorter = 0; shorter < 5; signals++) {
            shorter = play(&s, argv[1], all) < all ? shorter + 1 : 0;
            all += !shorter;
        }
    } else {
        srandom((unsigned)getpid());
        for (int i = 0; i < 3; i++) all = play(&s, argv[1], LONG_MAX); /* the first ones make slabs */
        for (; steps > 0; signals++) steps -= play(&s, argv[1], random() % (all + 1)) + 1;
    }
    ptrace(PTRACE_KILL, s.pid, NULL, NULL);
    waitpid(s.pid, &status, 0);
    printf("%ld instructions, %ld signals\n", all, signals);
    return 0;
}
