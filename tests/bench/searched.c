// searched MIB THREADS LOOKS SECONDS [asks]: a server with so many MiB alive, in lists and trees of small blocks, whose
// threads replace some of them each millisecond. With `asks` it sends itself the dump signal, LOOKS times, each SECONDS
// (1 to 60, more than a search takes), so that weir searches it. A thread that does nothing but sleep for a millisecond
// again and again measures how late it wakes. Prints the median, the 99th percentile and the largest of the latest
// wake-ups of each look (or of as many stretches without one), in ms; and what the threads did in the seconds with
// looks, in thousands of replacements a second.
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"

struct node {
    struct node *next, *left, *right;
    char bytes[];
};

enum { CHAINS = 4096, LOOKS_MAX = 10000 };
static struct node *chains[CHAINS];
static atomic_ullong done;
static atomic_bool over;
static _Atomic uint64_t latest; // ns, since it was last asked
static double worst[LOOKS_MAX];

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
static void sleep_for(long ns) {
    struct timespec t = {ns / 1000000000, ns % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

static struct node *make(unsigned i) {
    struct node *n = must(malloc(sizeof *n + 40 + i * 61 % 420));
    n->next = n->left = n->right = NULL;
    return n;
}

static void fill(size_t bytes) {
    unsigned i = 0;
    for (size_t have = 0; have < bytes; i++) {
        struct node *n = make(i), **at = &chains[i % CHAINS];
        have += sizeof *n + 40 + i * 61 % 420;
        n->next = *at;
        if (*at && i % 3 == 0) {
            n->left = make(i);
            n->right = make(i + 7);
            have += 2 * (sizeof *n + 250);
        }
        *at = n;
    }
}

static void *work(void *p) {
    struct node **mine = p, *own[64] = {0};
    for (unsigned i = 0; !atomic_load_explicit(&over, memory_order_relaxed); i++) {
        for (unsigned k = 0; k < 64; k++) {
            free(own[k]);
            own[k] = make(i + k);
            own[k]->next = *mine;
        }
        atomic_fetch_add_explicit(&done, 64, memory_order_relaxed);
        sleep_for(1000000);
    }
    for (unsigned k = 0; k < 64; k++) free(own[k]);
    return NULL;
}

static void *watch(void *unused) {
    while (!atomic_load_explicit(&over, memory_order_relaxed)) {
        uint64_t begin = now();
        sleep_for(1000000);
        uint64_t late = now() - begin - 1000000;
        if (late > atomic_load_explicit(&latest, memory_order_relaxed)) atomic_store(&latest, late);
    }
    return unused;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    size_t bytes = (size_t)atoi(argv[1]) << 20;
    unsigned count = (unsigned)atoi(argv[2]), looks = (unsigned)atoi(argv[3]);
    if (looks < 1 || looks > LOOKS_MAX || count > CHAINS) return 2;
    pthread_t watcher, *threads = must(calloc(count + 1, sizeof *threads));
    fill(bytes);
    if (pthread_create(&watcher, NULL, watch, NULL) != 0) fail("pthread_create");
    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, work, &chains[i]) != 0) fail("pthread_create");
    sleep_for(100000000);
    uint64_t begin = now(), before = atomic_load(&done);
    for (unsigned i = 0; i < looks; i++) {
        atomic_store(&latest, 0);
        if (argc > 5) kill(getpid(), SIGRTMAX - 1);
        sleep_for(1000000000L * atoi(argv[4]));
        worst[i] = (double)atomic_load(&latest) / 1e6;
    }
    double seconds = (double)(now() - begin) / 1e9;
    double rate = (double)(atomic_load(&done) - before) / seconds / 1000;
    atomic_store(&over, true);
    for (unsigned i = 0; i < count; i++) pthread_join(threads[i], NULL);
    qsort(worst, looks, sizeof worst[0], compare);
    printf("%.2f %.2f %.2f %.1f\n", worst[looks / 2], worst[looks * 99 / 100], worst[looks - 1], rate);
    fflush(stdout);
    _exit(0);
}
