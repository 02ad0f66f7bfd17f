/* What memory costs, and whether it comes back: memory WHAT. Prints a figure, and ends with 1 where it is too high.
 * Resident is what /proc/self/smaps says of anonymous memory, stacks aside; faults are getrusage's. */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KIB    ((size_t)1 << 10)
#define MIB    ((size_t)1 << 20)
#define IDLERS ((size_t)64)
#define STACK  (128 * KIB)

static char *stacks; /* the threads': one mapping, so that it can be told from others */

/* Without a stream: its buffer would be one of the blocks that are measured. */
static size_t resident(void) {
    static char text[4 << 20];
    size_t length = 0, bytes = 0;
    int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
    for (ssize_t n; (n = read(fd, text + length, sizeof text - 1 - length)) > 0;) length += (size_t)n;
    close(fd);
    text[length] = 0;
    bool counts = false;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned long from, to, inode, kib;
        char path[2];
        int fields = sscanf(line, "%lx-%lx %*s %*s %*s %lu %1s", &from, &to, &inode, path);
        if (fields >= 3)
            counts = fields == 3 && ((uintptr_t)stacks < from || (uintptr_t)stacks >= to);
        else if (counts && sscanf(line, "Rss: %lu kB", &kib) == 1)
            bytes += kib * KIB;
    }
    return bytes;
}

static long faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

static void pass(long milliseconds) {
    nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000}, NULL);
}

/* What a program that goes on does: weir gives memory back when it is called. */
static void go_on(void) {
    for (int i = 0; i < 4; i++) {
        pass(60);
        void *few[10];
        for (size_t k = 0; k < 10; k++) few[k] = malloc(70000 + 1000 * k);
        for (size_t k = 0; k < 10; k++) free(few[k]);
    }
}

static int at_most(const char *what, size_t figure, size_t limit) {
    printf("%s: %zu, at most %zu\n", what, figure, limit);
    fflush(stdout);
    return figure > limit;
}

/* --- idle threads --- */

static pthread_barrier_t together;
static size_t sizes_of_idler[3];

static void *be_idle(void *unused) {
    for (size_t i = 0; i < 3; i++)
        if (sizes_of_idler[i] > 0) memset(malloc(sizes_of_idler[i]), 1, sizes_of_idler[i]);
    pthread_barrier_wait(&together);
    pthread_barrier_wait(&together);
    return unused;
}

static void start_idlers(pthread_t thread[IDLERS]) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_barrier_init(&together, NULL, IDLERS + 1);
    for (size_t i = 0; i < IDLERS; i++) {
        pthread_attr_setstack(&attributes, stacks + i * STACK, STACK);
        if (pthread_create(&thread[i], &attributes, be_idle, NULL) != 0) exit(2);
    }
    pthread_barrier_wait(&together);
}
static void end_idlers(const pthread_t thread[IDLERS]) {
    pthread_barrier_wait(&together);
    for (size_t i = 0; i < IDLERS; i++) pthread_join(thread[i], NULL);
}

static size_t with_idlers(void) {
    pthread_t thread[IDLERS];
    start_idlers(thread);
    size_t bytes = resident();
    end_idlers(thread);
    return bytes;
}

static const size_t three_sizes[] = {40, 200, 1320};

static int idle_threads(void) {
    size_t before = with_idlers();
    memcpy(sizes_of_idler, three_sizes, sizeof three_sizes);
    return at_most("bytes a thread", (with_idlers() - before) / IDLERS, 16 * KIB - 1);
}

/* A child of fork has as many threads: they find the heaps of its parent's threads, with room. */
static int threads_of_a_child(void) {
    memcpy(sizes_of_idler, three_sizes, sizeof three_sizes);
    pthread_t thread[IDLERS];
    start_idlers(thread);
    pid_t child = fork();
    if (child == 0) {
        stacks = mmap(NULL, IDLERS * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        size_t before = resident();
        _exit(at_most("bytes a thread of a child", (with_idlers() - before) / IDLERS, 8 * KIB));
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child) return 2;
    end_idlers(thread);
    return status != 0;
}

/* Each thread leaves blocks behind that the next one frees: the memory of those that ended serves those that come. */
static void *leave_some(void *argument) {
    char **left = argument;
    for (size_t i = 0; i < 2000; i++) {
        free(left[i]);
        memset(left[i] = malloc(16 + i % 1000), 1, 16);
    }
    return NULL;
}

static int generations(void) {
    static char *left[2000];
    size_t first = 0;
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, leave_some, left) != 0) return 2;
        pthread_join(thread, NULL);
        if (i == 20) first = resident();
    }
    size_t now = resident();
    return at_most("grown by bytes", now > first ? now - first : 0, 512 * KIB);
}

/* --- threads that end --- */

static size_t charged(void) {
    return mallinfo2().arena;
}

static pthread_key_t value_of_thread;
static int rounds_to_wait;

static void free_value(void *p) {
    static __thread int round;
    if (++round < rounds_to_wait)
        pthread_setspecific(value_of_thread, p);
    else
        free(p);
    free(malloc(100));
}
static void *only_free(void *p) {
    free(p);
    return NULL;
}
static void *keep_value(void *p) {
    free(malloc(10));
    pthread_setspecific(value_of_thread, p);
    return NULL;
}

static int growth_over_threads(void *(*run)(void *), int most) {
    size_t before = 0;
    for (int i = 0; i < 3000; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, malloc(50)) != 0) exit(2);
        pthread_join(thread, NULL);
        if (i == 500) before = charged();
    }
    size_t now = charged();
    return at_most("bytes charged more", now > before ? now - before : 0, (size_t)most);
}

/* No thread leaves a heap behind: not one that only frees, nor one whose last act is a destructor of its own. */
static int threads_that_only_free(void) {
    return growth_over_threads(only_free, 64 << 10);
}
static int threads_whose_destructors_free(void) {
    pthread_key_create(&value_of_thread, free_value);
    for (rounds_to_wait = 1; rounds_to_wait <= 4; rounds_to_wait++)
        if (growth_over_threads(keep_value, 64 << 10)) return 1;
    return 0;
}

static volatile bool ending;
static void *be_refused(void *unused) {
    while (!ending)
        if (malloc((size_t)1 << 40)) exit(2);
    return unused;
}
static void *few_blocks(void *unused) {
    void *p[40];
    for (size_t i = 0; i < 40; i++) p[i] = malloc(16 + i * 40);
    for (size_t i = 0; i < 40; i++) free(p[i]);
    return unused;
}

/* Whoever is refused collects what the heaps of ended threads retain: it must not keep them from threads that start. */
static int threads_beside_refusals(void) {
    pthread_t refused;
    if (pthread_create(&refused, NULL, be_refused, NULL) != 0) return 2;
    size_t before = charged();
    for (int i = 0; i < 3000; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, few_blocks, NULL) != 0) return 2;
        pthread_join(thread, NULL);
    }
    size_t now = charged();
    ending = true;
    pthread_join(refused, NULL);
    return at_most("bytes charged more", now > before ? now - before : 0, 1 * MIB);
}

/* --- memory that comes back --- */

/* What a busy program does that only ever takes and gives back the same few small blocks. */
static void go_on_with_small_blocks(void) {
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        for (int i = 0; i < 1000; i++) free(malloc(40));
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < 300);
}

/* ... or large ones. */
static void go_on_with_runs(void) {
    char *p = malloc(100 * KIB);
    for (int i = 0; i < 300; i++, pass(1)) p = realloc(p, i % 2 ? 100 * KIB : 900 * KIB);
    free(p);
}

static int burst_before(void (*continue_)(void)) {
    enum { BLOCKS = 200000 };
    static char *p[BLOCKS];
    memset(p, 1, sizeof p);
    size_t before = resident();
    for (size_t i = 0; i < BLOCKS; i++) memset(p[i] = malloc(16 + i * 37 % 2000), 1, 16 + i * 37 % 2000);
    char *large[20];
    for (size_t i = 0; i < 20; i++) memset(large[i] = malloc((i + 1) * 300 * KIB), 1, (i + 1) * 300 * KIB);
    size_t peak = resident();
    for (size_t i = 0; i < BLOCKS; i++) free(p[i]);
    for (size_t i = 0; i < 20; i++) free(large[i]);
    if (peak < before + 200 * MIB) return 2;
    continue_();
    size_t after = resident();
    /* A thread keeps an empty slab a class: 64 KiB for each of 60 classes here, and a step or two for its samples. */
    return at_most("bytes left of a burst", after > before ? after - before : 0, 5 * MIB);
}

static int burst(void) {
    return burst_before(go_on);
}
static int burst_before_runs(void) {
    return burst_before(go_on_with_runs);
}
static int burst_before_small_blocks(void) {
    return burst_before(go_on_with_small_blocks);
}

/* A thread that makes blocks of 100 bytes and falls asleep; of every 400 it frees one or two itself. */
enum { BLOCKS_OF_SLEEPER = 400000, OWN = 400 };
struct sleeper {
    size_t count;
    enum { FREES_NOTHING, FREES_FIRST, FREES_LAST, FREES_TWICE } habit;
    char **blocks;
    pthread_t thread;
};

static void free_own(struct sleeper *s, size_t first) {
    for (size_t i = first; i < s->count; i += OWN) free(s->blocks[i]);
}

static void *sleep_on_blocks(void *argument) {
    struct sleeper *s = argument;
    for (size_t i = 0; i < s->count; i++) memset(s->blocks[i] = malloc(100), 1, 100);
    if (s->habit == FREES_FIRST || s->habit == FREES_TWICE) free_own(s, 0);
    pthread_barrier_wait(&together);
    pthread_barrier_wait(&together); /* the others are free now */
    if (s->habit == FREES_LAST) free_own(s, 0);
    if (s->habit == FREES_TWICE) free_own(s, 1); /* fast frees, the last of all of their slabs */
    pthread_barrier_wait(&together);
    pthread_barrier_wait(&together);
    return NULL;
}

static void free_others(const struct sleeper *s) {
    for (size_t i = 0; i < s->count; i++) {
        bool own = (s->habit != FREES_NOTHING && i % OWN == 0) || (s->habit == FREES_TWICE && i % OWN == 1);
        if (!own) free(s->blocks[i]);
    }
}

/* All that a sleeping thread made is freed, by another one or by both. */
static int sleeper(int habit) {
    static char *blocks[BLOCKS_OF_SLEEPER];
    struct sleeper s = {.count = BLOCKS_OF_SLEEPER, .habit = habit, .blocks = blocks};
    memset(blocks, 1, sizeof blocks);
    pthread_barrier_init(&together, NULL, 2);
    size_t before = resident();
    if (pthread_create(&s.thread, NULL, sleep_on_blocks, &s) != 0) return 2;
    pthread_barrier_wait(&together);
    free_others(&s);
    pthread_barrier_wait(&together);
    pthread_barrier_wait(&together);
    go_on();
    int failed = at_most("bytes that wait on a sleeper", resident() - before, 3 * MIB);
    pthread_barrier_wait(&together);
    pthread_join(s.thread, NULL);
    return failed;
}
static int sleeping_owner(void) {
    return sleeper(FREES_NOTHING);
}
static int sleeping_owner_that_freed(void) {
    return sleeper(FREES_FIRST);
}
static int owner_that_freed_and_sleeps(void) {
    return sleeper(FREES_LAST);
}

/* What waits on many sleepers, a little on each, is there for others at a ceiling of 100 MiB. */
static int at_the_ceiling(bool mixed) {
    enum { SLEEPERS = 64, EACH = 8000, LARGE = 70 };
    static char *blocks[SLEEPERS][EACH];
    static struct sleeper s[SLEEPERS];
    static void *large[LARGE];
    pthread_barrier_init(&together, NULL, SLEEPERS + 1);
    for (int i = 0; i < SLEEPERS; i++) {
        s[i] = (struct sleeper){.count = EACH, .habit = mixed ? (unsigned)i % 4 : FREES_TWICE, .blocks = blocks[i]};
        if (pthread_create(&s[i].thread, NULL, sleep_on_blocks, &s[i]) != 0) return 2;
    }
    pthread_barrier_wait(&together);
    for (int i = 0; i < SLEEPERS; i++) free_others(&s[i]);
    pthread_barrier_wait(&together);
    pthread_barrier_wait(&together);
    int had = 0;
    while (had < LARGE && (large[had] = malloc(MIB))) had++;
    for (int i = 0; i < had; i++) free(large[i]);
    printf("MiB to be had beside sleepers: %d of %d\n", had, LARGE);
    pthread_barrier_wait(&together);
    for (int i = 0; i < SLEEPERS; i++) pthread_join(s[i].thread, NULL);
    return had < LARGE;
}
static int sleepers_at_the_ceiling(void) {
    return at_the_ceiling(true);
}
static int untold_sleepers_at_the_ceiling(void) {
    return at_the_ceiling(false);
}

static int no_huge_pages(void) {
    char *p = malloc(100), name[64], *line = NULL;
    size_t room = 0;
    bool inside = false, refused = false;
    snprintf(name, sizeof name, "/proc/self/smaps");
    FILE *f = fopen(name, "r");
    while (f && getline(&line, &room, f) > 0) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) inside = (uintptr_t)p >= from && (uintptr_t)p < to;
        if (inside && strncmp(line, "VmFlags:", 8) == 0) refused = strstr(line, " nh") != NULL;
    }
    return at_most("small blocks where a huge page may be", !refused, 0);
}

/* --- large blocks --- */

static int growth_without_copying(void) {
    size_t size = 8 * MIB, others = 3 * MIB;
    char *p = malloc(size), *in_the_way[64] = {0};
    memset(p, 1, size);
    long before = faults();
    size_t moves = 0;
    for (; size < 256 * MIB; size += size / 4, moves++) {
        in_the_way[moves] = malloc(others); /* it cannot grow where it is */
        p = realloc(p, size + size / 4);
        if (!p || p[0] != 1 || p[size - 1] != 1) return 2;
        p[size + size / 4 - 1] = 1;
    }
    for (size_t i = 0; i < moves; i++) free(in_the_way[i]);
    /* Copying would touch each page of each size: about 300,000. */
    return at_most("faults of growth", (size_t)(faults() - before), 2000);
}

/* With WEIR_GUARD=1 a run keeps its span when it shrinks. */
static int runs_that_shrink_and_grow(void) {
    size_t before = charged();
    for (int i = 0; i < 200; i++) {
        char *p = malloc(900 * KIB);
        p = realloc(p, 100 * KIB);
        p = realloc(p, 150 * KIB);
        p[0] = p[150 * KIB - 1] = 1;
        free(p);
    }
    malloc_trim(0);
    size_t now = charged();
    return at_most("bytes charged more", now > before ? now - before : 0, 1 * MIB);
}

/* With WEIR_ZERO_ON_FREE=1 what a run gives away is zero. */
static int ends_of_runs_are_zeroed(void) {
    unsigned char *p = malloc(900 * KIB);
    memset(p, 0x5a, 900 * KIB);
    p = realloc(p, 200 * KIB);
    unsigned char *q = malloc(700 * KIB); /* what was there before is what is looked at */
    bool left = memchr(q, 0x5a, 700 * KIB) != NULL;
    int failed = p[0] != 0x5a || p[200 * KIB - 1] != 0x5a;
    free(p);
    free(q);
    return failed || at_most("ends that were not zeroed", left, 0);
}

/* A block of each byte that the last growth left, growing where it cannot grow in place. */
static int grow_and_check(size_t from, size_t to) {
    char *in_the_way[64] = {0}, *p = malloc(from);
    size_t moves = 0;
    memset(p, 1, from);
    for (size_t size = from; size < to; size *= 2, moves++) {
        in_the_way[moves] = malloc(3 * MIB);
        memset(in_the_way[moves], 2, 3 * MIB);
        p = realloc(p, 2 * size);
        if (!p || memchr(p, 2, size) || p[0] != 1 || p[size - 1] != 1) return 1;
        memset(p + size, 1, size);
    }
    for (size_t i = 0; i < moves; i++) {
        if (memchr(in_the_way[i], 1, 3 * MIB)) return 1;
        free(in_the_way[i]);
    }
    free(p);
    return 0;
}

static int growth(void) {
    int failed = 0;
    for (int i = 0; i < 2; i++) failed |= grow_and_check(5 * MIB, 80 * MIB);
    return failed;
}

/* The program takes address space away from itself: pages cannot move any more, and are copied. */
static int growth_under_a_lowered_limit(void) {
    char *p = malloc(8 * MIB), *q = malloc(8 * MIB);
    memset(p, 1, 8 * MIB);
    memset(q, 2, 8 * MIB);
    setrlimit(RLIMIT_AS, &(struct rlimit){(size_t)2 << 30, (size_t)2 << 30});
    p = realloc(p, 16 * MIB);
    if (!p || memchr(p, 2, 8 * MIB)) return 1;
    memset(p, 3, 16 * MIB);
    for (int i = 0; i < 30; i++)
        if (grow_and_check(5 * MIB, 20 * MIB)) return 1;
    if (memchr(p, 1, 16 * MIB) || memchr(p, 2, 16 * MIB) || memchr(q, 3, 8 * MIB)) return 1;
    free(p);
    free(q);
    return 0;
}

static int alternating_sizes(void) {
    long before = faults();
    for (size_t i = 0; i < 20000; i++) {
        size_t n = (size_t[]){70 * KIB, 300 * KIB, 1100 * KIB, 5 * MIB, 20 * MIB}[i % 5];
        char *p = malloc(n);
        p[0] = p[n / 2] = p[n - 1] = 1;
        free(p);
    }
    /* Mapping and unmapping each time would be 60,000. */
    return at_most("faults of alternating sizes", (size_t)(faults() - before), 3000);
}

static int calloc_of_what_the_kernel_cleared(void) {
    size_t before = resident();
    char *p = calloc(64, MIB);
    size_t touched = resident() - before;
    if (at_most("bytes touched by calloc", touched, 256 * KIB)) return 1;
    memset(p, 1, 64 * MIB);
    free(p);
    for (size_t n = 100 * KIB; n < 40 * MIB; n += n / 3) {
        p = calloc(1, n); /* some of it was used a moment ago */
        for (size_t i = 0; i < n; i++)
            if (p[i]) return at_most("bytes that calloc left", 1, 0);
        memset(p, 1, n);
        free(p);
    }
    /* What was asked for and hardly used is not made resident by zeroing it. */
    before = resident();
    p = malloc(200 * MIB);
    p[MIB] = 1;
    free(p);
    p = calloc(100, MIB);
    if (p[MIB]) return at_most("bytes that calloc left", 1, 0);
    size_t after = resident();
    return at_most("bytes touched by calloc of what was not used", after > before ? after - before : 0, MIB);
}

static const struct {
    const char *name;
    int (*run)(void);
} all[] = {
    {"idle_threads", idle_threads},
    {"threads_of_a_child", threads_of_a_child},
    {"generations", generations},
    {"threads_that_only_free", threads_that_only_free},
    {"threads_whose_destructors_free", threads_whose_destructors_free},
    {"threads_beside_refusals", threads_beside_refusals},
    {"runs_that_shrink_and_grow", runs_that_shrink_and_grow},
    {"ends_of_runs_are_zeroed", ends_of_runs_are_zeroed},
    {"burst", burst},
    {"burst_before_small_blocks", burst_before_small_blocks},
    {"burst_before_runs", burst_before_runs},
    {"growth", growth},
    {"growth_under_a_lowered_limit", growth_under_a_lowered_limit},
    {"sleeping_owner", sleeping_owner},
    {"sleeping_owner_that_freed", sleeping_owner_that_freed},
    {"owner_that_freed_and_sleeps", owner_that_freed_and_sleeps},
    {"sleepers_at_the_ceiling", sleepers_at_the_ceiling},
    {"untold_sleepers_at_the_ceiling", untold_sleepers_at_the_ceiling},
    {"no_huge_pages", no_huge_pages},
    {"growth_without_copying", growth_without_copying},
    {"alternating_sizes", alternating_sizes},
    {"calloc_of_what_the_kernel_cleared", calloc_of_what_the_kernel_cleared},
};

int main(int argc, char **argv) {
    stacks = mmap(NULL, IDLERS * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    /* The allocator is up and has sampled: the tables of the first sample come in no figure. */
    for (size_t i = 0; i < 20000; i++) {
        void *volatile p = malloc(50);
        free(p);
    }
    (void)resident();
    for (size_t i = 0; argc == 2 && i < sizeof all / sizeof all[0]; i++)
        if (strcmp(argv[1], all[i].name) == 0) return all[i].run();
    return 2;
}
