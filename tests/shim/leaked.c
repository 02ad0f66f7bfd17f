/* leaked CASE: makes blocks of known fates and ends; sizes tell them apart. Leaked are those of 1001 to 1009 bytes,
 * what only they lead to has 1101 to 1109, possible those of 2048, and all others are in use. */
#include "tests/shim/lost.h"

#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static hidden here, table[64];
static __thread hidden in_thread;
static unsigned placed;

static void keep(void *p) {
    table[placed++] = p;
}

/* --- one function a case; main wipes the stack behind it --- */

static APART void plain(void) {
    lose(1001);
    lose(1002);
    keep(make(900));
    keep((char *)make(901) + 450); /* into the middle */
    hidden lost = make(1003);
    ((void **)lost)[0] = make(1101);
    ((void **)((void **)lost)[0])[3] = make(1102);
    lost = NULL;
}

static APART void cycles(void) {
    hidden a = make(1004), b = make(1103);
    ((void **)a)[0] = b;
    ((void **)b)[0] = a;
    a = b = NULL;
    void **first = make(902), **second = make(903);
    first[5] = second;
    second[5] = first;
    keep(second);
}

/* Only its end is known, where no block begins. Sizes up to a page are served in places of a power of two at first. */
static APART void past(void) {
    keep((char *)make(2048) + 2048);
    lose(1002);
}

static APART void globals(void) {
    here = make(904);
    in_thread = make(905);
    void **shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared[7] = make(906);
    void **private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    private[9] = make(907);
    void **sealed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sealed[1] = make(908);
    mprotect(sealed, 4096, PROT_READ);
    void **gone = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    gone[2] = make(1005);
    munmap(gone, 4096);
    FILE *file = tmpfile(); /* a file that is shorter than what is mapped of it */
    if (file && ftruncate(fileno(file), 8192) == 0) {
        char *mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
        mapped[5000] = 1;
        if (ftruncate(fileno(file), 0) != 0) abort();
    }
    pthread_key_t key;
    pthread_key_create(&key, NULL);
    pthread_setspecific(key, make(909));
}

static APART void kernels(void) {
    int fd = epoll_create1(0), ends[2];
    if (fd < 0 || pipe(ends) != 0) abort();
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = make(910)}};
    epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &event);
    memset(&event, 0, sizeof event);
}

/* Code that the program has made has pointers at any byte, across pages too; one of them in memory that is mapped
 * twice. */
static APART void code(void) {
    const int all = PROT_READ | PROT_WRITE | PROT_EXEC;
    char *own = mmap(NULL, 8192, all, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = memfd_create("code", 0);
    if (own == MAP_FAILED || fd < 0 || ftruncate(fd, 4096) != 0) abort();
    char *written = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *run = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (written == MAP_FAILED || run == MAP_FAILED) abort();
    void *blocks[3] = {make(950), make(951), make(952)};
    memcpy(own + 3, &blocks[0], sizeof blocks[0]);
    memcpy(own + 4093, &blocks[1], sizeof blocks[1]);
    memcpy(written + 101, &blocks[2], sizeof blocks[2]);
    memset(blocks, 0, sizeof blocks);
    lose(1001);
}

static pthread_barrier_t ready;

static void *waiting(void *how) {
    in_thread = make(911);
    hidden local = make(912);
    if (how) { /* only a register of a thread that sleeps knows it */
        register void *held __asm__("r12") = make(913);
        pthread_barrier_wait(&ready);
        __asm__ volatile("1: mov $34, %%eax\n syscall\n jmp 1b"
                         : "+r"(held)::"rax", "rcx", "r11", "memory"); /* pause */
    }
    pthread_barrier_wait(&ready);
    for (;;) pause();
    return local;
}

static void *ended(void *unused) {
    (void)unused;
    return make(914); /* nobody has joined it yet */
}

static APART void threads(void) {
    pthread_t thread, done;
    pthread_barrier_init(&ready, NULL, 3);
    if (pthread_create(&thread, NULL, waiting, NULL) != 0 || pthread_create(&thread, NULL, waiting, &ready) != 0 ||
        pthread_create(&done, NULL, ended, NULL) != 0)
        abort();
    pthread_barrier_wait(&ready);
    usleep(50000);
    lose(1006);
}

static ucontext_t main_context, other_context;

static void coroutine(void) {
    hidden local = make(915);
    swapcontext(&other_context, &main_context);
    free(local);
}

static APART void coroutines(void) {
    getcontext(&other_context);
    other_context.uc_stack.ss_sp = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    other_context.uc_stack.ss_size = 65536;
    makecontext(&other_context, coroutine, 0);
    swapcontext(&main_context, &other_context);
    lose(1007);
}

/* A page of a block that cannot be read, and one behind it that can. */
static APART void guarded(void) {
    enum { PAGE = 4096, PAGES = 5 };
    const size_t size = (size_t)PAGES * PAGE;
    void **p = aligned_alloc(PAGE, size);
    memset(p, 0, size);
    p[(size - PAGE) / sizeof *p] = make(916);
    mprotect((char *)p + PAGE, PAGE, PROT_NONE);
    keep(p);
    lose(1008);
}

static APART void blocked(void) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    threads();
}

static APART void forked(void) {
    keep(make(917));
    if (fork() == 0) {
        lose(1009);
        wipe();
        exit(0);
    }
    wait(NULL);
}

static APART void many(void) {
    void **list = NULL;
    for (int i = 0; i < 300000; i++) {
        void **node = malloc(24);
        node[0] = list;
        list = node;
    }
    here = list;
    lose(1001);
}

/* Many words of epoll's, data that was made read-only, memory that nobody may read, and a hole of shared memory that
 * must not be filled. */
static void *constant = &constant; /* in .data, with a page of its own around it */
static APART void worlds(void) {
    int poll = epoll_create1(0);
    for (int i = 0; i < 500; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = make(920)};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, eventfd(0, 0), &event) != 0) abort();
    }
    int data = open("data", O_RDWR | O_CREAT, 0600);
    if (write(data, &constant, sizeof constant) != sizeof constant) abort();
    void **mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, data, 0);
    mapped[0] = make(921);
    mprotect(mapped, 4096, PROT_READ);
    void **secret = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    secret[0] = make(922);
    mprotect(secret, 4096, PROT_NONE);
    const size_t hole = (size_t)64 << 30;
    int memory = memfd_create("hole", 0);
    if (ftruncate(memory, (off_t)hole) != 0) abort();
    void **sparse = mmap(NULL, hole, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memory, 0);
    sparse[hole / 2 / sizeof *sparse] = make(923);
    lose(1001);
}

/* A stack for signals in a static array, behind a table; and one in a frame of another stack. */
static struct {
    void *table[64];
    char stack[512 << 10];
} below;

static void end_there(int number) {
    (void)number;
    wipe();
    exit(0);
}

static APART void raise_on(char *stack, size_t size) {
    stack_t alternate = {.ss_sp = stack, .ss_size = size};
    struct sigaction action = {.sa_handler = end_there, .sa_flags = SA_ONSTACK};
    sigaltstack(&alternate, NULL);
    sigaction(SIGUSR1, &action, NULL);
    void *volatile local = make(925);
    raise(SIGUSR1);
    free(local);
}

static APART void on_static(void) {
    for (int i = 0; i < 64; i++) below.table[i] = make(924);
    lose(1001);
    raise_on(below.stack, sizeof below.stack);
}

static APART void on_local(void) {
    char stack[512 << 10];
    lose(1001);
    wipe(); /* all of this stack is looked at, also what calls have left on it */
    raise_on(stack, sizeof stack);
}

/* --- ways: a block by each kind of root, told apart by sizes from 930 on; and longer ways --- */

static void *in_register(void *changed) {
    pthread_barrier_wait(&ready);
    keep_in_register((uintptr_t)changed);
    return NULL;
}

static void *on_stack(void *unused) {
    hidden local = make(934);
    (void)unused;
    pthread_barrier_wait(&ready);
    for (;;) pause();
    return local;
}

static APART void make_threads(void) {
    pthread_t thread;
    uintptr_t changed = make_changed(933);
    wipe();
    pthread_barrier_init(&ready, NULL, 3);
    if (pthread_create(&thread, NULL, in_register, (void *)changed) != 0 ||
        pthread_create(&thread, NULL, on_stack, NULL) != 0)
        abort();
    pthread_barrier_wait(&ready);
    usleep(50000);
}

struct pair {
    long number;
    void *first, *second;
} in_struct; /* not static: exported names serve as well */

/* Two long rows, with a fork of the way between them: what is found by its other side comes after the second row. That
 * ends just where the search takes most of a row off its stack (mark.c, ROW_MAX). */
static APART void *make_row(void *end, int length) {
    void **row = end;
    for (int i = 0; i < length; i++) {
        void **node = malloc(40);
        node[0] = node[1] = node[2] = node[4] = NULL;
        node[3] = row;
        row = node;
    }
    return row;
}

static APART void *make_rows(void) {
    void **fork = make(942), **side = make(944);
    side[2] = make(945);
    fork[0] = side;
    fork[1] = make_row(make(943), 4096);
    return make_row(fork, 9000);
}

static APART void make_ways(void) {
    void **chain = make(930), **middle = make(931), **last = make(932);
    in_struct.second = chain;
    chain[2] = middle;
    middle[5] = last;
    last[1] = chain; /* and round again */
    make_threads();
    in_thread = make(935);
    void **private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    private[9] = make(936);
    void **shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared[7] = make(937);
    pthread_key_t key;
    pthread_key_create(&key, NULL);
    pthread_setspecific(key, make(938));
    kernels();
    void **list = make(939); /* behind the nodes */
    for (int i = 0; i < 300000; i++) {
        void **node = malloc(24);
        node[0] = list;
        node[1] = node[2] = NULL;
        list = node;
    }
    here = list;
    in_struct.first = make_rows();
    hidden lost = make(1003);
    ((void **)lost)[0] = make(1101);
    ((void **)((void **)lost)[0])[3] = make(1102);
    lost = NULL;
    lose(1001);
    char *maybe = make(2048); /* no block begins behind it */
    keep(maybe + 2048);
    ((void **)maybe)[3] = make(940);
}

static APART void ways(void) {
    make_ways();
    void *volatile local = make(941);
    wipe();
    exit(0);
    free(local);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"plain", plain},         {"cycles", cycles},     {"past", past},       {"globals", globals},
                 {"kernels", kernels},     {"threads", threads},   {"guarded", guarded}, {"coroutines", coroutines},
                 {"blocked", blocked},     {"forked", forked},     {"many", many},       {"worlds", worlds},
                 {"on_static", on_static}, {"on_local", on_local}, {"ways", ways},       {"code", code}};
    for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(argv[1], cases[i].name) != 0) continue;
        cases[i].run();
        wipe();
        return 0;
    }
    return 2;
}
