/* touched WHAT [aborts]: blocks that calls touch, of which the test knows how. Each block is made by a site of its own,
 * and stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shim/weir.h"

#define SITE __attribute__((noinline, noclone))

static char *kept[4096];
static size_t kept_count;
static int null_fd, zero_fd, file_fd, pair[2];

static void *keep(void *p) {
    if (!p) abort();
    kept[kept_count++] = p;
    return p;
}

static void expect(int line, long seen, long wanted) {
    if (seen == wanted) return;
    fprintf(stderr, "line %d: %ld, not %ld (%s)\n", line, seen, wanted, strerror(errno));
    exit(1);
}
#define EXPECT(call, wanted) expect(__LINE__, (long)(call), wanted)

static void open_files(void) {
    char name[] = "/tmp/touchedXXXXXX";
    null_fd = open("/dev/null", O_WRONLY);
    zero_fd = open("/dev/zero", O_RDONLY);
    file_fd = mkstemp(name);
    (void)unlink(name);
    if (null_fd < 0 || zero_fd < 0 || file_fd < 0 || socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0) abort();
    EXPECT(ftruncate(file_fd, 4096), 0);
}

/* --- 50 reallocs and 20 writes of one block --- */

SITE static char *much_touched(char *p, size_t n) {
    p = realloc(p, n);
    __asm__ volatile("" : "+r"(p));
    return p;
}
SITE static void flush(const char *p) {
    EXPECT(write(null_fd, p + 10, 6), 6);
}
static int many(void) {
    char *p = malloc(16);
    for (size_t i = 1; i <= 50; i++) p = much_touched(p, 16 + i % 7 * 400);
    for (int i = 0; i < 20; i++) flush(p);
    keep(p);
    return 0;
}

/* --- each call, at an address inside of a block --- */

/* A block of a site of its own: the macro is written once a line. */
#define BLOCK(name)                                                                                                    \
    SITE static char *name(void) {                                                                                     \
        char *p = malloc(3000);                                                                                        \
        __asm__ volatile("" : "+r"(p));                                                                                \
        memset(p, 'x', 3000);                                                                                          \
        return keep(p);                                                                                                \
    }
#define AT 1234
BLOCK(of_read)
BLOCK(of_write)
BLOCK(of_pread)
BLOCK(of_pwrite)
BLOCK(of_recv)
BLOCK(of_send)
BLOCK(of_recvfrom)
BLOCK(of_sendto)
BLOCK(of_readv_1)
BLOCK(of_readv_2)
BLOCK(of_writev_1)
BLOCK(of_writev_2)
BLOCK(of_preadv)
BLOCK(of_pwritev)
BLOCK(of_preadv2)
BLOCK(of_pwritev2)
BLOCK(of_recvmsg)
BLOCK(of_sendmsg)
BLOCK(of_recvmmsg_1)
BLOCK(of_recvmmsg_2)
BLOCK(of_sendmmsg_1)
BLOCK(of_sendmmsg_2)
BLOCK(of_read_chk)
BLOCK(of_pread_chk)
BLOCK(of_recv_chk)
BLOCK(of_recvfrom_chk)
BLOCK(of_touch)
BLOCK(of_silence)
BLOCK(of_partial_1)
BLOCK(of_partial_2)
BLOCK(of_failure)
BLOCK(of_nothing)
BLOCK(of_many_parts)

extern ssize_t __read_chk(int fd, void *p, size_t n, size_t size);
extern ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t size);
extern ssize_t __recv_chk(int fd, void *p, size_t n, size_t size, int flags);
extern ssize_t __recvfrom_chk(int fd, void *p, size_t n, size_t size, int flags, struct sockaddr *from,
                              socklen_t *length);

static int calls(void) {
    char *p = of_read();
    EXPECT(read(zero_fd, p + AT, 10), 10);
    EXPECT(p[AT], 0);
    EXPECT(write(null_fd, of_write() + AT, 10), 10);
    EXPECT(pread(file_fd, of_pread() + AT, 10, 100), 10);
    EXPECT(pwrite(file_fd, of_pwrite() + AT, 10, 100), 10);
    EXPECT(send(pair[0], of_send() + AT, 10, 0), 10);
    EXPECT(recv(pair[1], of_recv() + AT, 10, 0), 10);
    EXPECT(sendto(pair[0], of_sendto() + AT, 10, 0, NULL, 0), 10);
    EXPECT(recvfrom(pair[1], of_recvfrom() + AT, 10, 0, NULL, NULL), 10);
    struct iovec two[] = {{of_readv_1() + AT, 10}, {of_readv_2(), 5}};
    EXPECT(readv(zero_fd, two, 2), 15);
    struct iovec out[] = {{of_writev_1() + AT, 10}, {of_writev_2() + 2999, 1}};
    EXPECT(writev(null_fd, out, 2), 11);
    struct iovec one = {of_preadv() + AT, 10};
    EXPECT(preadv(file_fd, &one, 1, 100), 10);
    one.iov_base = of_pwritev() + AT;
    EXPECT(pwritev(file_fd, &one, 1, 100), 10);
    one.iov_base = of_preadv2() + AT;
    EXPECT(preadv2(file_fd, &one, 1, 100, 0), 10);
    one.iov_base = of_pwritev2() + AT;
    EXPECT(pwritev2(file_fd, &one, 1, 100, 0), 10);
    struct msghdr m = {.msg_iov = &one, .msg_iovlen = 1};
    one.iov_base = of_sendmsg() + AT;
    EXPECT(sendmsg(pair[0], &m, 0), 10);
    one.iov_base = of_recvmsg() + AT;
    EXPECT(recvmsg(pair[1], &m, 0), 10);
    struct iovec parts[] = {{of_sendmmsg_1() + AT, 10}, {of_sendmmsg_2() + AT, 10}};
    struct mmsghdr several[] = {{.msg_hdr = {.msg_iov = &parts[0], .msg_iovlen = 1}},
                                {.msg_hdr = {.msg_iov = &parts[1], .msg_iovlen = 1}}};
    EXPECT(sendmmsg(pair[0], several, 2, 0), 2);
    parts[0].iov_base = of_recvmmsg_1() + AT;
    parts[1].iov_base = of_recvmmsg_2() + AT;
    EXPECT(recvmmsg(pair[1], several, 2, 0, NULL), 2);
    EXPECT(__read_chk(zero_fd, of_read_chk() + AT, 10, 100), 10);
    EXPECT(__pread_chk(file_fd, of_pread_chk() + AT, 10, 100, 100), 10);
    EXPECT(send(pair[0], "0123456789", 10, 0), 10);
    EXPECT(__recv_chk(pair[1], of_recv_chk() + AT, 10, 100, 0), 10);
    EXPECT(send(pair[0], "0123456789", 10, 0), 10);
    EXPECT(__recvfrom_chk(pair[1], of_recvfrom_chk() + AT, 10, 100, 0, NULL, NULL), 10);
    weir_touch(of_touch() + AT, "a hint");
    weir_touch(of_silence(), NULL);
    /* A part of a vector that the call did not come to; a call that failed, or moved nothing. */
    struct iovec partial[] = {{of_partial_1() + AT, 10}, {of_partial_2() + AT, 10}};
    EXPECT(send(pair[0], "0123456789", 10, 0), 10);
    EXPECT(readv(pair[1], partial, 2), 10);
    EXPECT(write(-1, of_failure(), 10), -1);
    EXPECT(pread(file_fd, of_nothing(), 10, 4096), 0);
    char *parted = of_many_parts(), byte;
    struct iovec long_one[IOV_MAX];
    for (size_t i = 0; i < IOV_MAX; i++) long_one[i] = (struct iovec){&byte, i % 2};
    long_one[IOV_MAX - 1] = (struct iovec){parted + 8, 1};
    EXPECT(writev(null_fd, long_one, IOV_MAX), IOV_MAX / 2);
    return 0;
}

/* --- what goes wrong goes wrong as ever: printed, to be compared with the same without weir --- */

static void tell(const char *what, long result) {
    printf("%s %ld %s\n", what, result, result < 0 ? strerror(errno) : "");
}
static void on_alarm(int number) {
    (void)number;
}
static int faults(void) {
    char *p = keep(malloc(100));
    void *nowhere = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct iovec v = {nowhere, 10}, negative = {p, SIZE_MAX}, good = {p, 10};
    struct msghdr m = {.msg_iov = nowhere, .msg_iovlen = 1};
    volatile int minus = -1, much = 100000;
    volatile size_t huge = SIZE_MAX;
    errno = 7;
    tell("read", read(zero_fd, nowhere, 10));
    tell("write", write(file_fd, nowhere, 10));
    tell("bad fd", write(-1, p, 10));
    tell("huge", read(zero_fd, NULL, huge));
    tell("array", readv(zero_fd, nowhere, 1));
    tell("buffer", readv(zero_fd, &v, 1));
    tell("negative count", writev(file_fd, &v, minus));
    tell("count", writev(file_fd, &v, much));
    tell("negative length", writev(file_fd, &negative, 1));
    tell("no parts", writev(file_fd, NULL, 0));
    tell("message", sendmsg(pair[0], nowhere, 0));
    tell("vector of message", sendmsg(pair[0], &m, 0));
    tell("messages", sendmmsg(pair[0], nowhere, 3, 0));
    tell("offset", pread(file_fd, p, 10, minus));
    tell("flags", preadv2(file_fd, &good, 1, 0, 0x40000000));
    tell("at the position", preadv2(file_fd, &good, 1, minus, 0));
    tell("not a socket", recv(file_fd, p, 10, 0));
    tell("would wait", recv(pair[1], p, 10, MSG_DONTWAIT));
    struct mmsghdr one = {.msg_hdr = {.msg_iov = &good, .msg_iovlen = 1}};
    tell("none there", recvmmsg(pair[1], &one, 1, MSG_DONTWAIT, NULL));
    weir_touch(nowhere, "nowhere");
    weir_touch(NULL, "nothing");
    weir_touch((void *)-1, NULL);
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval soon = {.it_value = {0, 20000}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    tell("interrupted", read(pair[1], p, 10));
    errno = 7;
    tell("fine", write(null_fd, p, 10));
    tell("errno", errno);
    return 0;
}

/* --- a cancellation point, also where records are kept --- */

static void note_cancel(void *p) {
    *(int *)p = 1;
}
static volatile int cleaned;
static void *wait_for_bytes(void *unused) {
    char *p = keep(malloc(64));
    pthread_cleanup_push(note_cancel, (void *)&cleaned);
    (void)read(pair[1], p, 10);
    pthread_cleanup_pop(0);
    return unused;
}
static int cancelled(void) {
    pthread_t thread;
    void *result;
    EXPECT(pthread_create(&thread, NULL, wait_for_bytes, NULL), 0);
    (void)usleep(20000);
    EXPECT(pthread_cancel(thread), 0);
    EXPECT(pthread_join(thread, &result), 0);
    EXPECT(result == PTHREAD_CANCELED, 1);
    EXPECT(cleaned, 1);
    return 0;
}

/* --- moved by realloc, given back, used again --- */

SITE static char *moved_site(void) {
    return malloc(16);
}
SITE static char *large_site(void) {
    return malloc(8 << 20);
}
SITE static char *again_site(void) {
    return malloc(500);
}
static int moved(void) {
    char *p = moved_site();
    weir_touch(p, "small");
    p = keep(realloc(p, 100000));
    weir_touch(p + 99999, "large");
    p = large_site();
    weir_touch(p, "before");
    memset(p, 1, 8 << 20);
    keep(realloc(p, 64 << 20));
    /* A block that comes to where one with records was has none of it. */
    for (int i = 0; i < 20000; i++) {
        p = again_site();
        weir_touch(p, "gone");
        free(p);
    }
    for (int i = 0; i < 2000; i++) keep(again_site());
    return 0;
}

/* --- threads, forks and signals in the middle --- */

static volatile int stop;
static char *volatile shared[16];

static void touch_all(unsigned *random) {
    struct iovec v[3];
    for (int i = 0; i < 3; i++) v[i] = (struct iovec){shared[(*random = *random * 1103515245 + 12345) >> 16 & 15], 8};
    (void)writev(null_fd, v, 3);
    weir_touch(v[0].iov_base, "stormy");
    (void)pwrite(null_fd, v[1].iov_base, 8, 0);
}
static void *churn(void *argument) {
    unsigned random = (unsigned)(uintptr_t)argument;
    char *mine = NULL;
    while (!stop) {
        touch_all(&random);
        mine = realloc(mine, 16 + random % 5000);
        mine[0] = 1;
        (void)write(null_fd, mine, 16);
        unsigned k = random >> 8 & 15;
        char *old = __atomic_exchange_n(&shared[k], malloc(64 + random % 512), __ATOMIC_ACQ_REL);
        free(old);
        if (random % 16 == 0) {
            free(mine);
            mine = NULL;
        }
    }
    free(mine);
    return NULL;
}
static void on_storm(int number) {
    (void)number;
    int before = errno;
    char *p = malloc(100);
    unsigned random = (unsigned)(uintptr_t)p;
    if (p) (void)write(null_fd, p, 100);
    touch_all(&random);
    p = realloc(p, 300);
    weir_touch(p, "in a handler");
    free(p);
    errno = before;
}
static int storm(int ms) {
    pthread_t threads[4];
    struct sigaction action = {.sa_handler = on_storm, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 1000}, {0, 1000}};
    struct timespec now, end;
    for (int i = 0; i < 16; i++) shared[i] = malloc(64);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (uintptr_t i = 0; i < 4; i++) EXPECT(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += ms / 1000;
    end.tv_nsec += ms % 1000 * 1000000L;
    do {
        pid_t child = fork();
        if (child == 0) {
            unsigned random = (unsigned)getpid();
            for (int i = 0; i < 50; i++) touch_all(&random);
            char *p = NULL;
            for (size_t i = 1; i < 50; i++) p = realloc(p, i * 100);
            free(p);
            for (int i = 0; i < 16; i++) free(shared[i]);
            _exit(0);
        }
        int status = -1;
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
        EXPECT(status, 0);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
    stop = 1;
    for (int i = 0; i < 4; i++) (void)pthread_join(threads[i], NULL);
    return 0;
}

/* --- freed by another thread, and once more --- */

static void *give(void *p) {
    free(p);
    return NULL;
}
static int twice(void) {
    pthread_t thread;
    char *p = malloc(100);
    EXPECT(pthread_create(&thread, NULL, give, p), 0);
    (void)pthread_join(thread, NULL);
    free(p);
    return 0;
}

/* --- hints --- */

static int hints(void) {
    char text[300];
    for (int i = 0; i < 6000; i++) {
        char *p = keep(malloc(24));
        (void)snprintf(text, sizeof text, "hint %d", i);
        weir_touch(p, text);
        if (i % 2) free(kept[--kept_count]);
    }
    memset(text, 'h', sizeof text - 1);
    text[299] = 0;
    weir_touch(kept[0], text);
    memset(text, 0, sizeof text);
    return 0;
}

/* --- at a level that changes from line to line --- */

BLOCK(of_levels)
static int levels(void) {
    static const char *const words[] = {"first", "second", "third"};
    char line[16], *p = of_levels();
    for (int i = 0; i < 3; i++) {
        puts(i == 0 ? "ready" : words[i - 1]);
        (void)fflush(stdout);
        if (!fgets(line, sizeof line, stdin)) return 1;
        weir_touch(p, words[i]);
        EXPECT(write(null_fd, p, 4), 4);
    }
    puts(words[2]);
    (void)fflush(stdout);
    return fgets(line, sizeof line, stdin) != NULL;
}

/* --- up to the ceiling, then all blocks are touched, and in the end there is room again --- */

static int full(void) {
    size_t n = 0;
    char *p;
    for (; n < 4000 && (p = malloc(1900)); n++) kept[n] = p;
    if (n == 4000) return 1;
    for (size_t i = 0; i < 20000; i++) weir_touch(kept[i % n], "no room");
    for (size_t i = 0; i < n / 2; i++) free(kept[i]);
    (void)usleep(20000); /* room is looked for now and then */
    for (size_t i = n / 2; i < n; i++) weir_touch(kept[i], "some room");
    return 0;
}

/* --- what it costs: ns a call, of a block of 64 bytes --- */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}
static int costs(void) {
    enum { N = 300000 };
    char *p = keep(malloc(64)), here[64] = {0};
    struct iovec v[2] = {{p, 32}, {here, 32}};
    double begin = now();
    for (int i = 0; i < N; i++) (void)write(null_fd, here, 64);
    double stack = now();
    for (int i = 0; i < N; i++) (void)write(null_fd, p, 64);
    double block = now();
    for (int i = 0; i < N; i++) (void)writev(null_fd, v, 2);
    double vector = now();
    for (size_t i = 0; i < N; i++) p = realloc(p, 64 - i % 2);
    double resized = now();
    for (size_t i = 0; i < N; i++) weir_touch(p, "costs");
    double touch = now();
    for (size_t i = 0; i < N; i++) free(realloc(malloc(50), 60));
    double pair_ = now();
    printf("write %.0f, of a block %.0f, writev %.0f, realloc %.0f, weir_touch %.0f, malloc realloc free %.0f ns\n",
           (stack - begin) / N, (block - stack) / N, (vector - block) / N, (resized - vector) / N,
           (touch - resized) / N, (pair_ - touch) / N);
    return 0;
}

int main(int count, char **arguments) {
    static const struct {
        const char *name;
        int (*run)(void);
    } tests[] = {{"many", many},   {"calls", calls}, {"faults", faults}, {"cancelled", cancelled}, {"moved", moved},
                 {"twice", twice}, {"hints", hints}, {"costs", costs},   {"full", full},           {"levels", levels}};
    open_files();
    if (count == 3 && strcmp(arguments[1], "storm") == 0) return storm(atoi(arguments[2]));
    for (size_t i = 0; count >= 2 && i < sizeof tests / sizeof *tests; i++) {
        if (strcmp(arguments[1], tests[i].name) != 0) continue;
        int status = tests[i].run();
        if (count > 2) abort();
        return status;
    }
    return 2;
}
