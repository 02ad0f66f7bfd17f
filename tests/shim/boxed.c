/* What becomes of boxes: boxed WHAT [ARGUMENT]. Blocks are made by `mine`, in children by `childs`; the program then
 * ends by kill -9, unless it is told otherwise. Prints the process ids whose boxes are to be there. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *kept[100000];
__attribute__((noinline)) static void mine(int from, int count) {
    for (int i = from; i < from + count; i++) kept[i] = malloc(1000);
}
__attribute__((noinline)) static void childs(int from, int count) {
    for (int i = from; i < from + count; i++) kept[i] = malloc(500);
}

__attribute__((noinline)) static void *grows(void) {
    char *volatile block = malloc(100000);
    if (block) memset(block, 1, 100000);
    return block;
}

/* Blocks that realloc moves, lets grow where they are and shrinks; few are left. */
__attribute__((noinline)) static void resized(void) {
    static const size_t sizes[] = {100, 110, 5000, 300000, 3000000, 30000000, 200000, 90};
    for (int i = 0; i < 50; i++) {
        kept[i] = malloc(10);
        for (size_t j = 0; kept[i] && j < sizeof sizes / sizeof *sizes; j++) kept[i] = realloc(kept[i], sizes[j]);
        if (i % 5) free(kept[i]);
    }
    kept[50] = realloc(malloc(10), 30000000);
}

static void say(const char *who) {
    printf("%s %d\n", who, (int)getpid());
    (void)fflush(stdout);
}
static void die(void) {
    (void)kill(getpid(), SIGKILL);
}
static void wait_for(pid_t pid) {
    while (waitpid(pid, NULL, 0) < 0) {
    }
}

/* One that tracks nothing has none. */
static void forks(int raw) {
    mine(0, 100);
    (void)fflush(stdout);
    pid_t quiet = raw ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0) : fork();
    if (quiet == 0) (void)syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    pid_t pid = raw ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0) : fork();
    if (pid == 0) {
        childs(1000, 10);
        (void)syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    }
    wait_for(quiet);
    wait_for(pid);
    printf("child %d\n", (int)pid);
}

/* Of what the first has inherited it gives some back, and some becomes larger, before there is a second. */
static void fork_twice(void) {
    mine(0, 100);
    pid_t pid = fork();
    if (pid == 0) {
        childs(1000, 10);
        for (int i = 0; i < 60; i++) free(kept[i]);
        for (int i = 60; i < 80; i++) kept[i] = realloc(kept[i], 2000);
        pid_t second = fork();
        if (second == 0) {
            childs(2000, 1);
            dprintf(STDOUT_FILENO, "grandchild %d\n", (int)getpid());
            (void)kill(getpid(), SIGKILL);
        }
        wait_for(second);
        (void)kill(getpid(), SIGKILL);
    }
    wait_for(pid);
    printf("child %d\n", (int)pid);
}

/* One that can map nothing, not even over what it has. */
static void fork_limited(void) {
    const struct rlimit little = {1ul << 30, 1ul << 30};
    mine(0, 100);
    if (setrlimit(RLIMIT_AS, &little) != 0) _exit(1);
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        childs(1000, 700);
        for (int i = 0; i < 50; i++) free(kept[i]);
        for (int i = 1000; i < 1300; i++) free(kept[i]);
        _exit(0);
    }
    wait_for(pid);
    mine(100, 1000);
}

/* Children one after the other, and how long each took. */
static void fork_many(int count) {
    struct timespec begin, end;
    mine(0, 20000);
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            childs(30000, 5);
            _exit(0);
        }
        wait_for(pid);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.1f us\n",
           ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / 1e3 / count);
}

/* A child that shares its parent's memory writes into its parent's box. */
static void shares(void) {
    mine(0, 100);
    pid_t pid = vfork();
    if (pid == 0) {
        childs(1000, 10);
        _exit(0);
    }
    wait_for(pid);
}

static void sites_without_end(int count) {
    /* By its depth each call is at another stack. */
    if (count % 100 == 0) mine(count, 1);
    if (count > 0) sites_without_end(count - 1);
    __asm__ volatile("" : : : "memory");
}

/* A block at each of so many stacks. */
__attribute__((noinline)) static void wide(unsigned path, int depth, int *count) {
    if (depth == 0 && *count > 0) mine(--*count, 1);
    for (unsigned i = 0; depth > 0 && *count > 0 && i < 4; i++) {
        if (i == 0) wide(path << 2, depth - 1, count);
        if (i == 1) wide(path << 2 | 1, depth - 1, count);
        if (i == 2) wide(path << 2 | 2, depth - 1, count);
        if (i == 3) wide(path << 2 | 3, depth - 1, count);
    }
    __asm__ volatile("" : : "r"(path) : "memory");
}

static volatile int over, made;

static void *make_on(void *unused) {
    while (!over) {
        kept[50000 + made % 1000] = NULL;
        childs(50000 + made % 1000, 1);
        made++;
    }
    return unused;
}

/* An exec that fails again and again, while another thread makes blocks. */
static void fail_to_exec(void) {
    pthread_t id;
    struct timespec pause = {0, 2000000};
    if (pthread_create(&id, NULL, make_on, NULL) != 0) _exit(1);
    for (int i = 0; i < 100; i++) {
        (void)execl("/nowhere", "nowhere", (char *)NULL);
        (void)nanosleep(&pause, NULL);
    }
    over = 1;
    (void)pthread_join(id, NULL);
    printf("made %d\n", made);
}

static void end_as_borrower(void) {
    mine(0, 100);
    pid_t pid = vfork();
    if (pid == 0) {
        (void)syscall(SYS_kill, syscall(SYS_getpid), SIGTERM);
        _exit(0);
    }
    wait_for(pid);
    (void)kill(getpid(), SIGTERM);
}

/* Cuts its own box, and goes on. */
static void cut(void) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/weir.%d/weir.%d.box", getenv("WEIR_BOX_DIR"), (int)geteuid(), (int)getpid());
    mine(0, 100);
    if (truncate(path, 0) != 0) _exit(1);
    mine(100, 1000);
    childs(2000, 1000);
    for (int i = 0; i < 3000; i++) free(kept[i]);
    printf("goes on\n");
}

__attribute__((noinline)) static int overflow(int n) {
    volatile char here[4096];
    here[0] = (char)n;
    return n < 0 ? 0 : overflow(n + 1) + here[0];
}

static void *fault(void *how) {
    mine(200, 50);
    if (!strcmp(how, "overflow")) exit(overflow(0));
    if (!strcmp(how, "abort")) abort();
    *(volatile int *)(uintptr_t)(how ? 16 : 0) = 1;
    return NULL;
}

/* Ends by a signal that it does not handle; in a thread where `thread` is not NULL. */
static void crash(char *how, const char *thread) {
    pthread_t id;
    mine(0, 100);
    if (!strcmp(how, "terminate")) (void)kill(getpid(), SIGTERM);
    if (!thread) (void)fault(how);
    if (thread && pthread_create(&id, NULL, fault, how) == 0) (void)pthread_join(id, NULL);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "forks")) forks(0);
    if (!strcmp(what, "clones")) forks(1);
    if (!strcmp(what, "grandchild")) fork_twice();
    if (!strcmp(what, "many")) fork_many(atoi(argv[2]));
    if (!strcmp(what, "shares")) shares();
    if (!strcmp(what, "limited")) fork_limited();
    if (!strcmp(what, "deep")) sites_without_end(20000);
    if (!strcmp(what, "wide")) {
        int count = atoi(argv[2]), there = 0;
        wide(0, 8, &count);
        for (int i = 0; i < atoi(argv[2]); i++) there += kept[i] != NULL;
        printf("made %d\n", there);
    }
    if (!strcmp(what, "cut")) cut();
    if (!strcmp(what, "failing")) fail_to_exec();
    if (!strcmp(what, "borrower")) end_as_borrower();
    if (!strcmp(what, "refused")) {
        mine(0, 100);
        if (malloc(64 << 20)) return 1;
    }
    if (!strcmp(what, "exec")) {
        mine(0, 100);
        if (argc > 3) (void)execl("/nowhere", "nowhere", (char *)NULL); /* fails */
        if (argc <= 3) (void)execl(argv[2], argv[2], "kill", (char *)NULL);
    }
    if (!strcmp(what, "grows"))
        for (int i = 0; i < 2000; i++) kept[i] = grows();
    if (!strcmp(what, "kill")) mine(0, 7);
    if (!strcmp(what, "resized")) resized();
    if (!strcmp(what, "crash")) crash(argv[2], argv[3]);
    if (!strcmp(what, "user")) {
        if (setuid(65534) != 0) return 1;
        mine(0, 50000);
    }
    if (!strcmp(what, "exits") || !strcmp(what, "cut") || !strcmp(what, "many")) {
        mine(0, 100);
        return 0;
    }
    if (!strcmp(what, "_exits")) {
        mine(0, 100);
        _exit(3);
    }
    if (!strcmp(what, "leaves")) {
        mine(0, 100);
        (void)syscall(SYS_exit_group, 3);
    }
    say("own");
    die();
    return 1;
}
