/* A program that was written for LeakSanitizer, and built without. Its cases are run by name; each prints what its
 * checks came to, one number a check. */
#include "tests/shim/lost.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WEAK __attribute__((weak))

void __lsan_do_leak_check(void) WEAK;
int __lsan_do_recoverable_leak_check(void) WEAK;
void __lsan_ignore_object(const void *p) WEAK;
void __lsan_disable(void) WEAK;
void __lsan_enable(void) WEAK;
void __lsan_register_root_region(const void *p, size_t size) WEAK;
void __lsan_unregister_root_region(const void *p, size_t size) WEAK;

#ifdef SUPPRESSES
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return SUPPRESSES;
}
#endif
#ifdef WISHES
const char *__lsan_default_options(void);
const char *__lsan_default_options(void) {
    return WISHES;
}
#endif
#ifdef TURNED_OFF
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) {
    return 1;
}
#endif

static hidden here;

static void check(void) {
    wipe();
    printf("%d ", __lsan_do_recoverable_leak_check());
    fflush(stdout);
}

/* The first block is reachable while its check is made, then it is not; looking does not change what is seen later. */
static APART void recoverable(void) {
    here = make(1337);
    check();
    here = NULL;
    check();
    check();
    free(make(10)); /* the program goes on */
}

static APART void clean(void) {
    here = make(1337);
    check();
    __lsan_do_leak_check();
    lose(100); /* after the last check nobody is told */
}

static APART void final(void) {
    lose(1337);
    wipe();
    __lsan_do_leak_check();
    printf("went on ");
    lose(99);
    __lsan_do_leak_check();
}

static APART void lose_known(void) {
    hidden block = make(1338), inside = make(1339);
    *(void **)block = inside;
    __lsan_ignore_object((char *)block + 30); /* into it will do */
    block = inside = NULL;
}

static APART void ignored(void) {
    lose_known();
    check();
    lose(1340);
    check();
}

static APART void again(void) {
    hidden block = make(1341);
    __lsan_ignore_object(block);
    free(block);
    for (int i = 0; i < 1000; i++) lose(1341); /* in its place, too */
}

static APART void reused(void) {
    again();
    check();
}

static APART void scopes(void) {
    __lsan_disable();
    __lsan_disable();
    lose(1342);
    __lsan_enable();
    for (int i = 0; i < 200; i++) lose(1343 + (size_t)i);
    lose(300000);
    __lsan_enable();
    check();
    lose(1344);
    check();
}

/* One that is never left: what comes late is known as far as it is drawn. */
static APART void endless(void) {
    __lsan_disable();
    for (int i = 0; i < 50000; i++) free(make(24));
    lose(25);
    check();
    __lsan_enable();
}

static void *lose_beside(void *unused) {
    (void)unused;
    lose(1345);
    wipe();
    return NULL;
}

static APART void other_thread(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, lose_beside, NULL) != 0) abort();
    pthread_join(thread, NULL);
}

/* Of the thread that is in it alone. */
static APART void beside(void) {
    __lsan_disable();
    other_thread();
    __lsan_enable();
    check();
}

static APART void fill_region(void **region) {
    region[3] = make(1346);
}

/* Memory that no search looks at by itself: a mapping that nothing but its address, mixed up, is known of; a leaked
 * block is one, too. */
static APART uintptr_t lost_region(void) {
    void **block = make(4096);
    fill_region(block);
    return ~(uintptr_t)block;
}

static APART void regions(void) {
    volatile uintptr_t mixed = lost_region();
    __lsan_register_root_region((char *)~mixed + 8, 64);
    __lsan_register_root_region((char *)~mixed + 8, 64);
    __lsan_ignore_object(NULL);
    check(); /* the block itself is leaked, what its region leads to is not */
    __lsan_unregister_root_region((char *)~mixed + 8, 64);
    check();
    __lsan_unregister_root_region((char *)~mixed + 8, 64);
    check();
    __lsan_unregister_root_region((char *)~mixed + 8, 64); /* not there any more */
    free((void *)~mixed);
    check(); /* what it led to is leaked directly now */
}

APART void suppressed_function(void);
APART void suppressed_function(void) {
    lose(1347);
}

static APART void suppressed(void) {
    suppressed_function();
    check();
    lose(1348);
    check();
}

static APART void forked(void) {
    here = make(1349);
    if (fork() == 0) {
        lose(1350);
        check();
        _exit(0);
    }
    wait(NULL);
    check();
}

static int ends[2];
static void *read_on(void *unused) {
    char c;
    return read(ends[0], &c, 1) == 1 ? unused : NULL;
}

/* While another thread runs. */
static bool blocks_signals;
static APART void threads(void) {
    pthread_t thread;
    sigset_t all;
    sigfillset(&all);
    if (blocks_signals) pthread_sigmask(SIG_BLOCK, &all, NULL);
    if (pipe(ends) != 0 || pthread_create(&thread, NULL, read_on, NULL) != 0) abort();
    sigemptyset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    lose(1352);
    check();
    if (write(ends[1], "", 1) != 1) abort();
    pthread_join(thread, NULL);
    check();
}
static APART void blocking(void) {
    blocks_signals = true;
    threads();
}

static APART void registers(void) {
    register void *held __asm__("r13") = make(1351);
    __asm__ volatile("" : "+r"(held));
    check();
    __asm__ volatile("" : "+r"(held));
    free(held);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"recoverable", recoverable}, {"clean", clean},    {"final", final},     {"ignored", ignored},
                 {"reused", reused},           {"scopes", scopes},  {"beside", beside},   {"regions", regions},
                 {"suppressed", suppressed},   {"forked", forked},  {"threads", threads}, {"blocking", blocking},
                 {"registers", registers},     {"endless", endless}};
    if (!__lsan_do_leak_check) return 3;
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(argv[1], cases[i].name) != 0) continue;
        cases[i].run();
        wipe();
        return 0;
    }
    return 2;
}
