/* Leaves blocks that realloc made larger: of 16 bytes at first, of 3 MB and of 2,000 at last; one that only shrank. */
#include <stdlib.h>

__attribute__((noinline)) static char *make(size_t n) {
    char *volatile p = malloc(n);
    return p;
}
__attribute__((noinline)) static char *grow(char *p, size_t n) {
    char *volatile q = realloc(p, n);
    if (!q) abort();
    q[n - 1] = 1;
    return q;
}
__attribute__((noinline)) static char *shrink(char *p, size_t n) {
    char *volatile q = realloc(p, n);
    return q;
}

int main(void) {
    char *volatile p = make(16);
    for (size_t n = 32; n < 3000000; n *= 2) p = grow(p, n);
    p = grow(p, 3000000);
    p = shrink(grow(make(16), 2048), 2000);
    p = shrink(make(160), 150);
    return p == NULL;
}
