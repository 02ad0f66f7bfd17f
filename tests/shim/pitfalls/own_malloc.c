/* A program with a malloc of its own, which all libraries use: weir must stay out of the way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char room[1 << 20] __attribute__((aligned(16)));
static size_t used;
static int calls, foreign;

void *malloc(size_t size) {
    calls++;
    size = (size + 31) & ~(size_t)15;
    if (used + size > sizeof room) return NULL;
    char *p = room + used + 16;
    used += size;
    return p;
}
void free(void *ptr) {
    if (ptr && ((char *)ptr < room || (char *)ptr >= room + sizeof room)) foreign++;
}
void *calloc(size_t nmemb, size_t size) {
    return malloc(nmemb * size); /* never used before: zero */
}
void *realloc(void *ptr, size_t size) {
    void *q = malloc(size);
    return ptr && q ? memcpy(q, ptr, size) : q;
}

int main(void) {
    char *line = strdup("a line");
    free(line);
    FILE *f = fopen("/dev/null", "w");
    if (f) {
        (void)fprintf(f, "%s\n", line);
        (void)fclose(f);
    }
    printf("own malloc used: %d, foreign frees: %d\n", calls > 1, foreign);
    return 0;
}
