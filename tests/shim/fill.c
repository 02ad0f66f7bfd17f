/* Takes all there is, in ever smaller blocks, and says what is in use when nothing more is to be had; gives it back,
 * and takes it again. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct block {
    struct block *next;
};

static struct block *all;

static size_t take_all(void) {
    static const size_t sizes[] = {1 << 20, 70000, 8000, 1000, 100, 16};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (struct block *b; (b = malloc(sizes[i])); all = b) b->next = all;
    }
    return mallinfo2().arena;
}

static void give_all(void) {
    for (struct block *next; all; all = next) {
        next = all->next;
        free(all);
    }
}

int main(int argc, char **argv) {
    size_t max = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    static char line[256];
    (void)setvbuf(stdout, line, _IOLBF, sizeof line);
    for (int round = 0; round < 3; round++) {
        size_t used = take_all();
        printf("%ld below the ceiling\n", (long)(max - used));
        give_all();
        void *most = malloc(max / 10 * 9);
        printf("afterwards nine tenths in one piece: %s\n", most ? "yes" : "no");
        free(most);
    }
    return 0;
}
