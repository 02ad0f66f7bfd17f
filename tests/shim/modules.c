/* Loads and unloads libraries, and leaves a block of each: modules WHAT [FILE...]. */
#include <dlfcn.h>
#include <iconv.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* libc unloads its own modules without a call that a preload could see. */
static int (*close_unseen)(void *);

static void *load(const char *file) {
    void *library = dlopen(file, RTLD_NOW);
    if (!library) {
        (void)fprintf(stderr, "%s\n", dlerror());
        abort();
    }
    return library;
}

static size_t start_of(void *library) {
    const struct link_map *map = library;
    return map->l_addr;
}

struct request {
    void *(*make)(size_t);
    size_t n;
};
static void *make_in_thread(void *argument) {
    const struct request *r = argument;
    ((volatile char *)r->make(r->n))[0] = 1;
    return NULL;
}
static void use(void *library, size_t n) {
    struct request r = {NULL, n};
    pthread_t t;
    *(void **)&r.make = dlsym(library, "make");
    (void)make_in_thread(&r);
    if (pthread_create(&t, NULL, make_in_thread, &r) != 0) abort();
    pthread_join(t, NULL);
}

/* Each file is loaded to where the one before was. Block sizes: 2001, 2002 … */
static int exchange(int count, char **files) {
    size_t first = 0;
    for (int i = 0; i < count; i++) {
        void *library = load(files[i]);
        if (i == 0) first = start_of(library);
        if (start_of(library) != first) return 3;
        for (int round = 0; round < 3; round++) use(library, 2001 + (size_t)i);
        if (close_unseen(library) != 0) return 4;
    }
    return 0;
}

/* The same, each file becoming the one of that name. */
static int replace(int count, char **files) {
    for (int i = 0; i < count; i++) {
        if (rename(files[i], "plugin.so") != 0) return 5;
        void *library = load("./plugin.so");
        for (int round = 0; round < 3; round++) use(library, 2001 + (size_t)i);
        if (close_unseen(library) != 0) return 4;
    }
    return 0;
}

/* libc forgets a module of its own some conversions after the last use. */
static int convert(int count, char **names) {
    for (int i = 0; i < count; i++) {
        iconv_t c = iconv_open(names[i], "UTF-8");
        if (c == (iconv_t)-1) return 6;
        if (i + 1 < count) (void)iconv_close(c);
    }
    return 0;
}

/* All that is to be had, in bytes. */
static int exhaust(void) {
    size_t all = 0;
    for (size_t n = 1 << 20; n >= 16; n /= 2)
        for (char *volatile p; (p = malloc(n)); all += n) p[0] = 1;
    printf("%zu\n", all);
    return 0;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    *(void **)&close_unseen = dlsym(libc, "dlclose");
    if (strcmp(what, "exchange") == 0) return exchange(argc - 2, argv + 2);
    if (strcmp(what, "replace") == 0) return replace(argc - 2, argv + 2);
    if (strcmp(what, "convert") == 0) return convert(argc - 2, argv + 2);
    if (strcmp(what, "exhaust") == 0) return exhaust();
    return 2;
}
