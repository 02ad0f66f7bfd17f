/* What glibc documents and does at the corners of malloc(3). Run with and without weir: the lines must be the same. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *reallocarray(void *, size_t, size_t);

static size_t volatile huge = SIZE_MAX, half = (size_t)PTRDIFF_MAX + 1;

static void say(const char *what, const void *p) {
    printf("%s: %s, errno %d\n", what, p ? "a block" : "NULL", errno), errno = 0;
}

int main(void) {
    void *p, *q;
    p = malloc(0), q = malloc(0);
    printf("malloc(0) twice: %s\n", p && q && p != q ? "two blocks" : "no");
    free(p), free(q), free(NULL);
    errno = 0;
    say("malloc(PTRDIFF_MAX + 1)", malloc(half));
    say("malloc(SIZE_MAX)", malloc(huge));
    say("calloc overflow", calloc(half, 2));
    say("calloc(0, 5)", p = calloc(0, 5));
    free(p);
    say("reallocarray overflow", reallocarray(NULL, half, 4));
    p = malloc(100);
    memset(p, 7, 100);
    q = realloc(p, half);
    say("realloc too large", q);
    printf("the old block is %s\n", ((char *)p)[99] == 7 ? "as it was" : "gone");
    errno = EDOM;
    say("realloc(p, 0)", realloc(p, 0));
    say("realloc(NULL, 10)", p = realloc(NULL, 10));
    errno = EBADF;
    free(p);
    printf("errno after free: %d\n", errno), errno = 0;
    printf("usable size of NULL: %zu\n", malloc_usable_size(NULL));
    say("aligned_alloc(64, 100)", p = aligned_alloc(64, 100));
    printf("aligned: %d\n", (uintptr_t)p % 64 == 0), free(p);
    say("aligned_alloc(3, 100)", p = aligned_alloc(3, 100)), free(p);
    say("aligned_alloc(0, 100)", p = aligned_alloc(0, 100)), free(p);
    say("memalign(SIZE_MAX/2+2, 1)", memalign(half + 1, 1));
    say("memalign(4096, SIZE_MAX - 100)", memalign(4096, huge - 100));
    q = (void *)1;
    errno = EDOM;
    printf("posix_memalign(24): %d", posix_memalign(&q, 24, 8)),
        printf(" %s\n", q == (void *)1 ? "untouched" : "changed");
    printf("posix_memalign(4): %d\n", posix_memalign(&q, 4, 8));
    printf("posix_memalign(64, 0): %d", posix_memalign(&q, 64, 0)),
        printf(" %s\n", q && q != (void *)1 ? "a block" : "no"), free(q);
    printf("posix_memalign too large: %d, errno kept %d\n", posix_memalign(&q, 64, half), errno == EDOM), errno = 0;
    say("valloc(1)", p = valloc(1)), printf("aligned: %d\n", (uintptr_t)p % 4096 == 0), free(p);
    say("pvalloc(1)", p = pvalloc(1)), printf("whole page: %d\n", malloc_usable_size(p) >= 4096), free(p);
    say("pvalloc(SIZE_MAX)", pvalloc(huge));
    for (size_t n = 1; n < 3000000; n = n * 3 / 2 + 1) {
        p = malloc(n);
        if ((uintptr_t)p % 16) printf("malloc(%zu) is not 16-aligned\n", n);
        memset(p, 1, malloc_usable_size(p)); /* all of it is the program's */
        p = realloc(p, n / 2 + 1);
        free(p);
    }
    printf("mallopt: %d\n", mallopt(M_MMAP_THRESHOLD, 65536));
    printf("malloc_info with an option: %d, errno %d\n", malloc_info(1, stdout), errno);
    struct mallinfo2 m = mallinfo2();
    printf("mallinfo2: %s\n", m.arena >= m.uordblks ? "adds up" : "does not add up");
    malloc_trim(0);
    return 0;
}
