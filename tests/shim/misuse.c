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

static void *free_in_turn(void *of) {
    void *volatile *blocks = of;
    free(blocks[0]), free(blocks[1]), free(blocks[2]), free(blocks[1]);
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
    if (!strcmp(what, "linked_to_live")) { /* a free block's link leads to a block that is in use */
        char *live = malloc(64), *volatile freed = malloc(64), *volatile last = malloc(64);
        for (int i = 0; i < 200; i++) q = malloc(64);
        free(freed), free(last);
        memcpy(last, &live, sizeof live);
        for (int i = 0; i < 400; i++)
            if (malloc(64) == live) puts("handed out twice");
    }
    if (!strcmp(what, "double_elsewhere")) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, free_twice, p) != 0 || pthread_join(thread, NULL) != 0) return 2;
        for (int i = 0; i < 2000; i++) q = malloc(100);
    }
    if (!strcmp(what, "double_elsewhere_later")) {
        void *blocks[] = {p, q, malloc(100)};
        pthread_t thread;
        if (pthread_create(&thread, NULL, free_in_turn, blocks) != 0 || pthread_join(thread, NULL) != 0) return 2;
        for (int i = 0; i < 2000; i++) q = malloc(100);
    }
    if (!strcmp(what, "double_among_many") ||
        !strcmp(what, "interior_among_many")) { /* in full slabs that sleep, then wake */
        enum { MANY = 100000 };
        static char *many[MANY];
        for (int i = 0; i < MANY; i++) many[i] = malloc(100);
        for (int i = 1; i < 900; i++) free(many[10000 + i * 7 % 1000]);
        free(strcmp(what, "interior_among_many") ? many[10035] : many[10000] + 16);
        for (int i = 0; i < 4000; i++) q = malloc(100);
    }
    if (!strcmp(what, "interior_then_many")) {
        free(p + 16);
        for (int i = 0; i < 2000; i++) q = malloc(100);
    }
    if (!strcmp(what, "double_large")) p = malloc(1000000), free(p), free(p);
    if (!strcmp(what, "interior")) free(p + 16);
    if (!strcmp(what, "interior_large")) p = malloc(1000000), free(p + 65536);
    if (!strcmp(what, "beyond")) free(p + 110);
    if (!strcmp(what, "beyond_large")) p = malloc(73000), free(p + 131064);
    if (!strcmp(what, "past_end")) p[103] = 1, free(p);
    if (!strcmp(what, "past_end_of_nothing")) p = malloc(0), p[0] = 1, free(p);
    if (!strcmp(what, "past_end_large")) p = malloc(73000), p[73000] = 1, free(p);
    if (!strcmp(what, "past_end_aligned")) p = memalign(4096, 100), p[100] = 1, free(p);
    if (!strcmp(what, "past_end_realloc")) p[100] = 1, p = realloc(p, 5000), free(p);
    if (!strcmp(what, "usable"))
        for (size_t n = 0; n < 100000; n = n * 5 / 4 + 1) {
            p = malloc(n);
            memset(p, 0x41, malloc_usable_size(p));
            p = realloc(p, n + 3);
            memset(p, 0x41, malloc_usable_size(p));
            p = realloc(p, n / 3 + 1);
            memset(p, 0x41, malloc_usable_size(p));
            free(p);
        }
    if (!strcmp(what, "stack")) free(stack);
    if (!strcmp(what, "data")) free(data);
    if (!strcmp(what, "realloc_freed")) free(p), p = realloc(p, 5000);
    if (!strcmp(what, "realloc_stack")) stack = realloc(stack, 10);
    if (!strcmp(what, "write_after_free")) {
        free(q), free(p);
        memset(p, 0x41, 16);
        for (int i = 0; i < 100; i++) q = malloc(100);
    }
    if (!strcmp(what, "write_after_free_inside")) {
        free(p);
        p[50] = 1;
        for (int i = 0; i < 1000; i++) q = malloc(100);
    }
    if (!strcmp(what, "write_after_free_calloc")) {
        p = malloc(6000), free(p);
        p[5000] = 1;
        for (int i = 0; i < 1000; i++) q = calloc(1, 6000);
    }
    for (int i = 0; i < 10000; i++) free(malloc((size_t)i));
    puts("went on");
    return 0;
}
