// order lifo | fifo: a hundred thousand blocks, freed last first (as a stack does) or first first (as a queue does).
#include "bench.h"

enum { BLOCKS = 100000, ROUNDS = 120 };

int main(int argc, char **argv) {
    bool lifo = argc > 1 && strcmp(argv[1], "lifo") == 0;
    char **blocks = must(malloc(BLOCKS * sizeof *blocks));
    uint64_t sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < BLOCKS; i++) blocks[i] = mark(must(malloc(16 + i % 13 * 16)), 16 + i % 13 * 16, i);
        for (size_t n = 0; n < BLOCKS; n++) {
            size_t i = lifo ? BLOCKS - 1 - n : n;
            sum += check_mark(blocks[i], 16 + i % 13 * 16, i);
            free(blocks[i]);
        }
    }
    free(blocks);
    return finish(sum);
}
