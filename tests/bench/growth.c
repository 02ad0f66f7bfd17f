// realloc: strings that grow by a few bytes, vectors that grow by half, many at a time, up to 4 MiB.
#include "bench.h"

enum { STRINGS = 200, APPENDS = 1500, VECTORS = 24, LARGEST = 4 << 20, ROUNDS = 4 };

int main(void) {
    uint64_t sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char *strings[STRINGS] = {0}, *vectors[VECTORS] = {0};
        size_t sizes[VECTORS] = {0};
        for (size_t a = 1; a <= APPENDS; a++)
            for (size_t s = 0; s < STRINGS; s++) {
                strings[s] = must(realloc(strings[s], a * 9));
                memset(strings[s] + (a - 1) * 9, (int)(a + s), 9);
            }
        for (bool grew = true; grew;) {
            grew = false;
            for (size_t v = 0; v < VECTORS; v++) {
                size_t size = sizes[v] < 64 ? 64 : sizes[v] + sizes[v] / 2;
                if (size > LARGEST) continue;
                grew = true;
                vectors[v] = must(realloc(vectors[v], size));
                memset(vectors[v] + sizes[v], (int)v + 1, size - sizes[v]);
                sizes[v] = size;
            }
        }
        for (size_t s = 0; s < STRINGS; s++) {
            for (size_t i = 0; i < (size_t)APPENDS * 9; i += 9) sum += (unsigned char)strings[s][i];
            free(strings[s]);
        }
        for (size_t v = 0; v < VECTORS; v++) {
            for (size_t i = 0; i < sizes[v]; i += 61) sum += (unsigned char)vectors[v][i];
            free(vectors[v]);
        }
    }
    return finish(sum);
}
