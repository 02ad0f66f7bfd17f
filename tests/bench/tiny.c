// Short-lived tiny objects on one thread: what most programs do most of the time.
#include "bench.h"

enum { ROUNDS = 30000000, LIVE = 64 };

int main(void) {
    struct {
        char *p;
        size_t size;
    } live[LIVE] = {0};
    uint64_t seed = 42, sum = 0;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        size_t at = i % LIVE, size = 8 + random_next(&seed) % 57;
        if (live[at].p) sum += check_mark(live[at].p, live[at].size, at);
        free(live[at].p);
        live[at].p = mark(must(malloc(size)), size, at);
        live[at].size = size;
    }
    for (size_t at = 0; at < LIVE; at++) free(live[at].p);
    return finish(sum);
}
