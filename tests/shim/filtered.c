/* Installs a filter of system calls that kills, and then does what needs memory, in ways that the filter lets through:
 * filtered HOW END. It prints what it saw, and ends as it is told. */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STATEMENT(code, k) ((struct sock_filter)BPF_STMT(code, k))
#define MOST               40

/* What a program needs that reads, writes, and has glibc's malloc. */
static const int few[] = {SYS_read, SYS_write, SYS_futex,        SYS_mmap,      SYS_munmap,
                          SYS_brk,  SYS_exit,  SYS_rt_sigreturn, SYS_exit_group};
/* And what opens files, but is not all that a dump needs. */
static const int files[] = {SYS_openat, SYS_close, SYS_fstat, SYS_newfstatat, SYS_lseek};

static size_t make(struct sock_filter *f, int with_files) {
    size_t n = 0;
    f[n++] = STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < sizeof few / sizeof *few; i++) {
        f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)few[i], 0, 1);
        f[n++] = STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    for (size_t i = 0; with_files && i < sizeof files / sizeof *files; i++) {
        f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)files[i], 0, 1);
        f[n++] = STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    f[n++] = STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    return n;
}

/* Kills nobody: files cannot be made, with the answer that man's filter gives. */
static size_t make_answering(struct sock_filter *f) {
    size_t n = 0;
    f[n++] = STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3);
    f[n++] = STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]));
    f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_CREAT, 0, 1);
    f[n++] = STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 38);
    f[n++] = STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    return n;
}

static long raw(long n, long a, long b, long c) {
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
}

static int install(const char *how) {
    struct sock_filter f[MOST];
    int answers = strstr(how, "answers") != NULL;
    struct sock_fprog p = {(unsigned short)(answers ? make_answering(f) : make(f, strstr(how, "files") != NULL)), f};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 0;
    if (!strncmp(how, "prctl", 5)) return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) == 0;
    if (!strncmp(how, "syscall", 7)) return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p) == 0;
    if (!strncmp(how, "raw", 3)) return raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&p) == 0;
    if (!strncmp(how, "strict", 6)) return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0;
    if (!strncmp(how, "refused", 7)) /* with a bad pointer, and with a program that ends nowhere */
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 1L) != 0 &&
               syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &(struct sock_fprog){1, f}) != 0;
    return 0;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Growth, large blocks, a refusal, a burst whose memory is to go back. */
static int use_memory(void) {
    static char *blocks[20000];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20000; i++)
            if (!(blocks[i] = malloc((size_t)(16 + i % 3000)))) return 0;
        for (int i = 0; i < 20000; i++) free(blocks[i]);
    }
    for (size_t n = 1 << 20; n < 32 << 20; n *= 2) {
        char *large = malloc(n);
        if (!large) return 0;
        memset(large, 1, n);
        free(large);
    }
    free(malloc((size_t)1 << 46));
    for (double end = now() + 0.15; now() < end;) free(malloc(100));
    return malloc(12345) != NULL;
}

/* A filter of one thread's, which goes on under it, is none of the others'. */
static volatile int thread_is_filtered;
static int nothing[2];
static void *in_a_thread(void *how) {
    char byte;
    free(malloc(1000));
    thread_is_filtered = install(how) && malloc(1000) ? 1 : -1;
    return read(nothing[0], &byte, 1) ? how : NULL;
}

static int use_beside_a_thread(const char *how) {
    pthread_t t;
    if (pipe(nothing) != 0 || pthread_create(&t, NULL, in_a_thread, (void *)(size_t)how) != 0) return 0;
    while (!thread_is_filtered) usleep(1000);
    return thread_is_filtered > 0 && use_memory();
}

/* Not even a growing heap: only read, write, exit and rt_sigreturn are left. */
static void end_strictly(void) {
    const char word[] = "used\n";
    for (int i = 0; i < 1000; i++) free(malloc((size_t)i * 10));
    (void)!write(1, word, sizeof word - 1);
    raw(SYS_exit, 3, 0, 0);
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "prctl", *end = argc > 2 ? argv[2] : "return";
    free(malloc(100));
    if (!strncmp(how, "thread-", 7)) {
        if (!use_beside_a_thread(how + 7)) return 1;
    } else {
        if (!install(how)) return 1;
        if (!strcmp(how, "strict")) end_strictly();
        if (strncmp(how, "raw", 3) != 0 && !use_memory()) return 1;
    }
    (void)!write(1, "used\n", 5);
    if (!strcmp(end, "exit")) exit(3);
    if (!strcmp(end, "_exit")) _exit(4);
    return 5;
}
