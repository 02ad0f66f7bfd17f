/* Vectors of calls wherever they may lie: on a thread's stack, beyond its page, in the arena, in a mapping, and one
 * that another thread takes away meanwhile. Each names a block of a site of its own. */
#include <pthread.h>
#include <stdatomic.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define SITE __attribute__((noinline, noclone))
#define BLOCK(name)                                                                                                    \
    SITE static char *name(void) {                                                                                     \
        char *p = malloc(3000);                                                                                        \
        __asm__ volatile("" : "+r"(p));                                                                                \
        return keep(p);                                                                                                \
    }
#define AT 1234

static void *kept[16];
static size_t kept_count;
static int null_fd, pair[2];

static void *keep(void *p) {
    return kept[kept_count++] = p;
}

static void expect(int line, long seen, long wanted) {
    if (seen == wanted) return;
    fprintf(stderr, "line %d: %ld, not %ld\n", line, seen, wanted);
    exit(1);
}
#define EXPECT(call, wanted) expect(__LINE__, (long)(call), wanted)

BLOCK(of_stack)
BLOCK(of_arena)
BLOCK(of_mapping)
BLOCK(of_message)
BLOCK(of_what_comes_and_goes)

static void *map(size_t n) {
    return mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void *vectors(void *unused) {
    struct iovec large[600] = {0}, *vector = large;
    large[599] = (struct iovec){of_stack() + AT, 1};
    EXPECT(writev(null_fd, large, 600), 1);
    vector = keep(malloc(sizeof *vector));
    *vector = (struct iovec){of_arena() + AT, 1};
    EXPECT(writev(null_fd, vector, 1), 1);
    vector = map(4096);
    *vector = (struct iovec){of_mapping() + AT, 1};
    EXPECT(writev(null_fd, vector, 1), 1);
    struct msghdr *m = map(4096);
    m->msg_iov = vector;
    m->msg_iovlen = 1;
    *vector = (struct iovec){of_message() + AT, 1};
    EXPECT(sendmsg(pair[0], m, 0), 1);
    return unused;
}

/* Another thread takes a vector away and brings it back all the time. */
static struct iovec *volatile coming_and_going;
static atomic_int gone;
static void *take_away(void *unused) {
    char *p = of_what_comes_and_goes();
    while (!gone) {
        (void)mmap(coming_and_going, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        (void)mmap(coming_and_going, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        coming_and_going[0] = (struct iovec){p, 1};
    }
    return unused;
}

int main(void) {
    null_fd = open("/dev/null", O_WRONLY);
    EXPECT(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, vectors, NULL), 0);
    (void)pthread_join(thread, NULL);
    coming_and_going = map(4096);
    EXPECT(pthread_create(&thread, NULL, take_away, NULL), 0);
    for (int i = 0; i < 20000; i++) (void)writev(null_fd, coming_and_going, 1);
    gone = 1;
    (void)pthread_join(thread, NULL);
    return 0;
}
