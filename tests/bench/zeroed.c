// calloc of all sizes up to a megabyte; what comes must be zero, also where it was used before.
#include "bench.h"

enum { LIVE = 500, ROUNDS = 1500000 };

int main(void) {
    char *live[LIVE] = {0};
    uint64_t seed = 11, sum = 0;
    for (int r = 0; r < ROUNDS; r++) {
        uint64_t random = random_next(&seed);
        size_t at = random % LIVE, size = 16 + ((random >> 10) & ((1u << (6 + (random >> 40) % 8)) - 1));
        if (random % 4001 == 0) size += 1 << 20;
        free(live[at]);
        char *p = live[at] = must(calloc(1, size));
        for (size_t i = 0; i < size; i += 16) {
            if (p[i]) fail("calloc gave a block that is not zero");
            p[i] = 1;
        }
        p[size - 1] = 1;
        sum += size;
    }
    for (size_t at = 0; at < LIVE; at++) free(live[at]);
    return finish(sum);
}
