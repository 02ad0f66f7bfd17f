/* A queue that grows, a cache that does not, and a table that was made at start. All of it is in use.
 *
 *   backlog asked            lines of a number on standard input: so many rounds, each of which queues two entries,
 * takes one and replaces one of the cache's; "did N" tells that they are done. `mark NAME`: weir_mark backlog paced
 * SECONDS    a round a millisecond, that takes nothing from the queue */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shim/weir.h"

#define APART __attribute__((noinline))
#define CACHE 4000
#define TABLE 2000

struct entry {
    struct entry *next;
    char room[248];
};
static struct entry *volatile oldest, *volatile newest;
static char *volatile cache[CACHE];
static char *volatile table[TABLE];
static uint64_t state = 88172645463325252u;

static uint64_t draw(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static APART void queue_put(void) {
    struct entry *e = malloc(sizeof *e);
    if (!e) abort();
    memset(e, 0, sizeof *e);
    if (newest) newest->next = e;
    newest = e;
    if (!oldest) oldest = e;
}

static APART void queue_take(void) {
    struct entry *e = oldest;
    oldest = e->next;
    if (!oldest) newest = NULL;
    free(e);
}

static APART void cache_replace(size_t i) {
    free(cache[i]);
    cache[i] = malloc(1000);
    if (!cache[i]) abort();
    memset(cache[i], 0, 1000);
}

static APART void table_make(void) {
    for (size_t i = 0; i < TABLE; i++) {
        table[i] = malloc(500);
        if (!table[i]) abort();
        memset(table[i], 0, 500);
    }
}

static volatile int twice = 2; /* so that it is one place in the code */

static void rounds(unsigned long n) {
    for (unsigned long i = 0; i < n; i++) {
        for (int j = 0; j < twice; j++) queue_put();
        queue_take();
        cache_replace(draw() % CACHE);
    }
}

static void on_alarm(int number) {
    (void)number;
    weir_mark("from a handler");
}

static int serve(void) {
    char line[256];
    (void)puts("ready");
    (void)fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "mark ", 5) == 0)
            weir_mark(line + 5);
        else if (strcmp(line, "nameless") == 0)
            weir_mark(NULL);
        else if (strcmp(line, "many") == 0)
            for (int i = 0; i < 1040; i++) weir_mark(i % 2 ? "odd" : "even");
        else if (strcmp(line, "handler") == 0)
            (void)raise(SIGALRM);
        else
            rounds(strtoul(line, NULL, 10));
        (void)printf("did %s\n", line);
        (void)fflush(stdout);
    }
    return 0;
}

static int pace(double seconds) {
    struct timespec now, begin, pause = {0, 1000000};
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        queue_put();
        for (int i = 0; i < 50; i++) cache_replace(draw() % CACHE);
        (void)nanosleep(&pause, NULL);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) / 1e9 < seconds);
    return 0;
}

int main(int count, char **arguments) {
    (void)signal(SIGALRM, on_alarm);
    table_make();
    for (size_t i = 0; i < CACHE; i++) cache_replace(i);
    if (count == 3 && strcmp(arguments[1], "paced") == 0) return pace(strtod(arguments[2], NULL));
    return count == 2 && strcmp(arguments[1], "asked") == 0 ? serve() : 2;
}
