/* Ends in the way that is asked for, having leaked one block of 12345 bytes. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>

extern char **environ;
static void leave(int n) {
    _exit(n == SIGUSR1 ? 7 : 1);
}

static void *endless(void *a) {
    for (;;) free(malloc((size_t)rand() % 5000));
    return a;
}

/* Execs of what cannot be executed; some other thread ends the process meanwhile. */
static void *failing_execs(void *a) {
    char *args[] = {"x", NULL};
    for (;;) execv("/nowhere/at/all", args);
    return a;
}

static void *exits_now(void *a) {
    exit(3);
    return a;
}

static void end_in_handler(int n) {
    (void)n;
    _exit(3);
}

static void *dump_signals(void *a) {
    for (;;) {
        kill(getpid(), SIGRTMAX - 1);
        usleep(3000);
    }
    return a;
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "return";
    char *leak = malloc(12345);
    leak[0] = 1;
    char *args[] = {"/bin/true", NULL};
    int status = 0;
    if (!strcmp(how, "exit")) exit(3);
    if (!strcmp(how, "_exit")) _exit(4);
    if (!strcmp(how, "_Exit")) _Exit(5);
    if (!strcmp(how, "quick_exit")) quick_exit(6);
    if (!strcmp(how, "execv")) execv("/bin/true", args);
    if (!strcmp(how, "execl")) execl("/bin/true", "true", (char *)NULL);
    if (!strcmp(how, "execlp")) execlp("true", "true", (char *)NULL);
    if (!strcmp(how, "failed_exec")) {
        execv("/nowhere/at/all", args);
        return errno == ENOENT ? 7 : 1;
    }
    if (!strcmp(how, "vfork")) {
        pid_t child = vfork();
        if (child == 0) {
            free(malloc(100));
            _exit(9);
        }
        waitpid(child, &status, 0);
        free(malloc(100));
        return WEXITSTATUS(status);
    }
    if (!strcmp(how, "spawn")) {
        pid_t child;
        if (posix_spawn(&child, "/bin/true", NULL, NULL, args, environ) != 0) return 1;
        waitpid(child, &status, 0);
        return WEXITSTATUS(status);
    }
    if (!strcmp(how, "fork")) {
        pid_t child = fork();
        if (child == 0) {
            char *mine = malloc(54321);
            mine[0] = 1;
            exit(0);
        }
        waitpid(child, &status, 0);
        return WEXITSTATUS(status);
    }
    if (!strcmp(how, "inherits")) { /* a child without blocks of its own, one with some, and a child of that */
        static char *blocks[200000];
        for (int i = 0; i < 200000; i++) blocks[i] = malloc(16);
        pid_t child = fork(), second;
        if (child == 0) execv("/bin/true", args);
        waitpid(child, &status, 0);
        if ((second = fork()) == 0) {
            for (int i = 0; i < 3000; i += 3) free(blocks[i]);
            for (int i = 0; i < 15; i++) *(char *)malloc(i < 10 ? 777 : 16) = 1;
            if ((second = fork()) == 0) _exit(0);
            waitpid(second, &status, 0);
            dprintf(1, "%d ", (int)second);
            _exit(0);
        }
        waitpid(second, &status, 0);
        dprintf(1, "%d %d %d\n", (int)second, (int)child, (int)getpid());
        for (int i = 0; i < 200000; i++) free(blocks[i]);
        return 0;
    }
    if (!strcmp(how, "threads")) {
        pthread_t t;
        for (int i = 0; i < 16; i++) pthread_create(&t, NULL, endless, NULL);
        usleep(100000);
        exit(3);
    }
    if (!strcmp(how, "dumps_at_once")) { /* of all reasons, of a heap large enough to take a while */
        pthread_t t;
        for (int i = 0; i < 20000; i++) *(char *)malloc(100) = 1;
        pthread_create(&t, NULL, failing_execs, NULL);
        pthread_create(&t, NULL, failing_execs, NULL);
        pthread_create(&t, NULL, dump_signals, NULL);
        usleep(20000 + (unsigned)getpid() % 16 * 1000);
        exit(3);
    }
    if (!strcmp(how, "exec_and_exit")) { /* one thread's exec takes the place of all, in the midst of another's exit */
        pthread_t t;
        for (int i = 0; i < 20000; i++) *(char *)malloc(100) = 1;
        pthread_create(&t, NULL, exits_now, NULL);
        for (unsigned i = 0; i < (unsigned)getpid() % 16 * 100; i++) sched_yield();
        execv("/bin/true", args);
    }
    if (!strcmp(how, "handler_ends_exec")) { /* a handler ends the process while it waits for its exec's file */
        struct itimerval soon = {{0, 500}, {0, 500}};
        signal(SIGALRM, end_in_handler);
        for (int i = 0; i < 20000; i++) *(char *)malloc(100) = 1;
        setitimer(ITIMER_REAL, &soon, NULL);
        (void)failing_execs(NULL);
    }
    if (!strcmp(how, "closed")) { /* descriptors 1 and 2 are gone, and a file is opened in the place of 2 */
        close(1);
        close(2);
        FILE *one = fopen(argv[2], "w"), *two = fopen(argv[3], "w");
        (void)one;
        fputs("database", two);
        fflush(two);
        free(malloc((size_t)1 << 46)); /* refused: a message would go to 2 */
        return 0;
    }
    if (!strcmp(how, "small_stack")) { /* a handler on an alternate stack of 8 KiB ends the process */
        stack_t stack = {.ss_sp = malloc(8192), .ss_size = 8192};
        struct sigaction action = {.sa_handler = leave, .sa_flags = SA_ONSTACK};
        sigaltstack(&stack, NULL);
        sigaction(SIGUSR1, &action, NULL);
        raise(SIGUSR1);
    }
    if (!strcmp(how, "killed")) raise(SIGTERM);
    return 0;
}
