/* A program with a malloc of its own, which all libraries use: weir must stay out of the way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char room[1 << 20];
static size_t used;
static int calls, foreign;

void *malloc(size_t n) {
    calls++;
    n = (n + 31) & ~(size_t)15;
    if (used + n > sizeof room) return NULL;
    char *p = room + used + 16;
    memcpy(room + used, &n, sizeof n);
    used += n;
    return p;
}
void free(void *p) {
    if (p && ((char *)p < room || (char *)p >= room + sizeof room)) foreign++;
}
void *calloc(size_t count, size_t size) {
    void *p = malloc(count * size);
    return p ? memset(p, 0, count * size) : NULL;
}
void *realloc(void *p, size_t n) {
    void *q = malloc(n);
    if (p && q) memcpy(q, p, n);
    return q;
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
