// Large blocks of 5 to 25 MiB come and go, each page of them touched: what giving memory back and asking anew costs.
#include "bench.h"

enum { LIVE = 6, ROUNDS = 150 };

int main(void) {
    struct {
        char *p;
        size_t size;
    } live[LIVE] = {0};
    uint64_t seed = 5, sum = 0;
    for (uint64_t r = 0; r < ROUNDS; r++) {
        size_t at = random_next(&seed) % LIVE, size = (5 << 20) + random_next(&seed) % (20 << 20);
        if (live[at].p) sum += check_mark(live[at].p, live[at].size, at);
        free(live[at].p);
        live[at].p = must(malloc(size));
        live[at].size = size;
        for (size_t i = 0; i < size; i += 4096) live[at].p[i] = (char)i;
        mark(live[at].p, size, at);
    }
    for (size_t at = 0; at < LIVE; at++) free(live[at].p);
    return finish(sum);
}
