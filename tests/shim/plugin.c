/* A plugin that makes blocks; NAME tells plugins apart that are the same otherwise. */
#include <stdlib.h>

#define MAKE_(name) make_##name
#define MAKE(name)  MAKE_(name)

__attribute__((noinline)) void *MAKE(NAME)(size_t n) {
    char *volatile p = malloc(n);
    p[0] = 1;
    return p;
}

void *make(size_t n) {
    char *volatile p = MAKE(NAME)(n);
    return p;
}
