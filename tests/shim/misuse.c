/* One misuse of memory a run; prints "went on" where it may go on. */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char in_data[64];

static void *free_twice(void *p) {
    void *volatile q = malloc(100), *volatile twice = p;
    free(twice), free(q), free(twice);
    return NULL;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    char on_stack[64];
    char *volatile p = malloc(100), *volatile q = malloc(100);
    char *volatile stack = on_stack + 16, *volatile data = in_data + 16;
    if (!strcmp(what, "double")) free(p), free(p);
    if (!strcmp(what, "double_later")) free(p), free(q), free(p);
    if (!strcmp(what, "double_first")) { /* the slab's only block: its list moves when it is empty */
        p = malloc(3000), free(p), free(p);
        for (int i = 0; i < 100; i++) q = malloc(3000);
    }
    if (!strcmp(what, "double_far")) { /* a whole cycle of others in between */
        char *many[100];
        for (int i = 0; i < 100; i++) many[i] = malloc(100);
        for (int i = 0; i < 100; i++) free(many[i]);
        free(many[7]);
        for (int i = 0; i < 200; i++) q = malloc(100);
    }
    if (!strcmp(what, "double_elsewhere")) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, free_twice, p) != 0 || pthread_join(thread, NULL) != 0) return 2;
        for (int i = 0; i < 2000; i++) q = malloc(100);
    }
    if (!strcmp(what, "interior_then_many")) {
        free(p + 16);
        for (int i = 0; i < 2000; i++) q = malloc(100);
    }
    if (!strcmp(what, "double_large")) p = malloc(1000000), free(p), free(p);
    if (!strcmp(what, "interior")) free(p + 16);
    if (!strcmp(what, "interior_large")) p = malloc(1000000), free(p + 65536);
    if (!strcmp(what, "stack")) free(stack);
    if (!strcmp(what, "data")) free(data);
    if (!strcmp(what, "realloc_freed")) free(p), p = realloc(p, 5000);
    if (!strcmp(what, "realloc_stack")) stack = realloc(stack, 10);
    if (!strcmp(what, "write_after_free")) {
        free(q), free(p);
        memset(p, 0x41, 16);
        for (int i = 0; i < 100; i++) q = malloc(100);
    }
    for (int i = 0; i < 10000; i++) free(malloc((size_t)i));
    puts("went on");
    return 0;
}
