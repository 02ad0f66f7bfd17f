/* waits [main] [MS]: a program that waits in every way there is, while weir's dump signal comes every few milliseconds,
 * MS apart (20). Each wait takes 300 ms: until its timeout, or until something comes. Prints a line for each that came
 * back with something else than it should, or too early, or more than LATE ms too late (default 100, the environment's
 * LATE), and how many were right. All at once, in a thread each; with `main` one after the other in the first thread,
 * which is the one that the signal interrupts. */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS 300L

static double late_max = 100;
static const struct timespec wait_time = {0, MS * 1000000};

/* Does something to a descriptor, a thread, ... after 300 ms. */
struct later {
    void (*act)(long what);
    long what;
};
static void *act_later(void *p) {
    struct later later = *(struct later *)p;
    struct timespec t = wait_time;
    free(p);
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR) {
    }
    later.act(later.what);
    return NULL;
}
static void after(void (*act)(long), long what) {
    struct later *later = malloc(sizeof *later);
    pthread_t t;
    *later = (struct later){act, what};
    pthread_create(&t, NULL, act_later, later);
    pthread_detach(t);
}

static long by(long r) {
    return r < 0 ? -errno : r;
} /* a result, or the negative errno */

static void write_byte(long fd) {
    (void)!write((int)fd, "x", 1);
}
static _Atomic double sent; /* when the one to whoever sleeps was */
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}
static void wake_sleeper(long thread) {
    atomic_store(&sent, now());
    pthread_kill((pthread_t)thread, SIGUSR1);
}
static void signal_thread(long thread) {
    pthread_kill((pthread_t)thread, SIGUSR1);
}
static void on_usr1(int number) {
    (void)number;
}

static struct timespec deadline(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += wait_time.tv_nsec;
    if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
    return t;
}

static int idle_fd(void) {
    int fd[2];
    (void)!pipe(fd);
    return fd[0];
}
static int epoll_of(int fd) {
    int e = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(e, EPOLL_CTL_ADD, fd, &event);
    return e;
}
static int impatient_socket(int other[1], int option) {
    int fd[2];
    struct timeval timeout = {0, MS * 1000};
    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    setsockopt(fd[0], SOL_SOCKET, option, &timeout, sizeof timeout);
    other[0] = fd[1];
    return fd[0];
}

/* --- until a timeout --- */

static long in_poll(void) {
    struct pollfd fd = {.fd = idle_fd(), .events = POLLIN};
    return by(poll(&fd, 1, (int)MS));
}
static long in_raw_poll(void) {
    struct pollfd fd = {.fd = idle_fd(), .events = POLLIN};
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(SYS_poll), "D"(&fd), "S"(1L), "d"((long)MS) : "rcx", "r11", "memory");
    return r;
}
static long in_ppoll(void) {
    struct pollfd fd = {.fd = idle_fd(), .events = POLLIN};
    return by(ppoll(&fd, 1, &wait_time, NULL));
}
static long in_select(void) {
    struct timeval t = {0, MS * 1000};
    fd_set set;
    int fd = idle_fd();
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return by(select(fd + 1, &set, NULL, NULL, &t));
}
static long in_pselect(void) {
    return by(pselect(0, NULL, NULL, NULL, &wait_time, NULL));
}
static long in_epoll_wait(void) {
    struct epoll_event event;
    return by(epoll_wait(epoll_of(idle_fd()), &event, 1, (int)MS));
}
static long in_syscall_epoll_wait(void) {
    struct epoll_event event;
    return by(syscall(SYS_epoll_wait, epoll_of(idle_fd()), &event, 1, (int)MS));
}
static long in_epoll_pwait(void) {
    struct epoll_event event;
    sigset_t none;
    sigemptyset(&none);
    return by(epoll_pwait(epoll_of(idle_fd()), &event, 1, MS, &none));
}
static long in_epoll_pwait2(void) {
    struct epoll_event event;
    return by(epoll_pwait2(epoll_of(idle_fd()), &event, 1, &wait_time, NULL));
}
static long in_nanosleep(void) {
    return by(nanosleep(&wait_time, NULL));
}
static long in_raw_nanosleep(void) {
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(SYS_nanosleep), "D"(&wait_time), "S"(0L) : "rcx", "r11", "memory");
    return r;
}
static long in_clock_nanosleep(void) {
    return clock_nanosleep(CLOCK_MONOTONIC, 0, &wait_time, NULL);
}
static long in_absolute_nanosleep(void) {
    struct timespec t = deadline(CLOCK_REALTIME);
    return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL);
}
static long in_usleep(void) {
    return by(usleep(MS * 1000));
}
static long in_sigtimedwait(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    return by(sigtimedwait(&set, NULL, &wait_time)) == -EAGAIN ? 0 : -1;
}
static long in_sem_timedwait(void) {
    struct timespec t = deadline(CLOCK_REALTIME);
    sem_t sem;
    sem_init(&sem, 0, 0);
    return by(sem_timedwait(&sem, &t)) == -ETIMEDOUT ? 0 : -errno;
}
static long in_cond_timedwait(void) {
    struct timespec t = deadline(CLOCK_REALTIME);
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&mutex);
    return pthread_cond_timedwait(&cond, &mutex, &t) == ETIMEDOUT ? 0 : -1;
}
static long in_futex(void) {
    uint32_t word = 0;
    return by(syscall(SYS_futex, &word, FUTEX_WAIT, 0, &wait_time)) == -ETIMEDOUT ? 0 : -errno;
}
static long in_semtimedop(void) {
    int id = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf down = {0, -1, 0};
    long r = by(semtimedop(id, &down, 1, &wait_time));
    semctl(id, 0, IPC_RMID);
    return r == -EAGAIN ? 0 : r;
}
static aio_context_t aio; /* 0: the kernel has none */
static long in_io_getevents(void) {
    struct io_event event; /* the context ends with the process: ending it takes longer than a wait may */
    if (!aio) return in_usleep();
    return by(syscall(SYS_io_getevents, aio, 1L, 1L, &event, &wait_time));
}
static long in_recv(void) {
    char c;
    int other, fd = impatient_socket(&other, SO_RCVTIMEO);
    return by(recv(fd, &c, 1, 0)) == -EAGAIN ? 0 : -errno;
}
static long in_read_of_socket(void) {
    char c;
    int other, fd = impatient_socket(&other, SO_RCVTIMEO);
    return by(read(fd, &c, 1)) == -EAGAIN ? 0 : -errno;
}
static long in_recvmsg(void) {
    char c;
    int other, fd = impatient_socket(&other, SO_RCVTIMEO);
    struct iovec part = {&c, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return by(recvmsg(fd, &message, 0)) == -EAGAIN ? 0 : -errno;
}
static int listening(int timeout) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval t = {0, (long)timeout * 1000};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (timeout) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1) != 0) return -1;
    return fd;
}
static long in_accept(void) {
    return by(accept(listening((int)MS), NULL, NULL)) == -EAGAIN ? 0 : -errno;
}

/* --- until something comes --- */

static long in_epoll_for_ever(void) {
    int fd[2];
    struct epoll_event event;
    (void)!pipe(fd);
    after(write_byte, fd[1]);
    return by(epoll_wait(epoll_of(fd[0]), &event, 1, -1)) == 1 ? 0 : -errno;
}
static long in_poll_for_ever(void) {
    int fd[2];
    (void)!pipe(fd);
    struct pollfd wait = {.fd = fd[0], .events = POLLIN};
    after(write_byte, fd[1]);
    return by(poll(&wait, 1, -1)) == 1 ? 0 : -errno;
}
static long in_read(void) {
    int fd[2];
    char c;
    (void)!pipe(fd);
    after(write_byte, fd[1]);
    return by(read(fd[0], &c, 1)) == 1 ? 0 : -errno;
}
static void send_message(long id) {
    struct {
        long type;
    } message = {1};
    msgsnd((int)id, &message, 0, 0);
}
static long in_msgrcv(void) {
    int id = msgget(IPC_PRIVATE, 0600);
    struct {
        long type;
    } message;
    after(send_message, id);
    long r = by(msgrcv(id, &message, 0, 0, 0));
    msgctl(id, IPC_RMID, NULL);
    return r;
}
static void raise_semaphore(long id) {
    struct sembuf up = {0, 1, 0};
    semop((int)id, &up, 1);
}
static long in_semop(void) {
    int id = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf down = {0, -1, 0};
    after(raise_semaphore, id);
    long r = by(semop(id, &down, 1));
    semctl(id, 0, IPC_RMID);
    return r;
}
static void connect_to(long fd) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    getsockname((int)fd, (struct sockaddr *)&address, &length);
    (void)!connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, length);
}
static long in_accept_for_ever(void) {
    int fd = listening(0);
    after(connect_to, fd);
    return by(accept(fd, NULL, NULL)) >= 0 ? 0 : -errno;
}
static long in_waitpid(void) {
    pid_t child = fork();
    if (child == 0) {
        struct timespec t = wait_time;
        while (syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, &t) != 0) {
        }
        _exit(7);
    }
    int status = 0;
    return by(waitpid(child, &status, 0)) == child && WEXITSTATUS(status) == 7 ? 0 : -errno;
}
static void wake(long word) {
    *(volatile uint32_t *)word = 1;
    syscall(SYS_futex, word, FUTEX_WAKE, 1);
}
static long in_sem_wait(void) {
    static uint32_t word;
    word = 0;
    after(wake, (long)&word);
    long r = by(syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL));
    return r == -EAGAIN && word == 1 ? 0 : r; /* woken just when it was to begin again, as by any signal */
}
static void lock_off(long fd) {
    flock((int)fd, LOCK_UN);
}
static long in_flock(void) {
    char name[] = "lock.XXXXXX";
    int a = mkstemp(name), b = open(name, O_RDWR);
    unlink(name);
    flock(a, LOCK_EX);
    after(lock_off, a);
    return by(flock(b, LOCK_EX));
}

/* --- what is transferred in parts: the other side takes its time --- */

#define MUCH (1 << 20)
static void drain(long fd) {
    char bytes[4096];
    for (size_t n = 0; n < MUCH;) {
        ssize_t r = read((int)fd, bytes, sizeof bytes);
        if (r <= 0) return;
        n += (size_t)r;
    }
}
static char much[MUCH];
static long in_write(void) {
    int fd[2];
    (void)!pipe(fd);
    after(drain, fd[0]);
    return by(write(fd[1], much, MUCH)) == MUCH ? 0 : -1;
}
static long in_writev(void) {
    int fd[2];
    struct iovec parts[3] = {{much, 1000}, {much + 1000, 500000}, {much + 501000, MUCH - 501000}};
    (void)!pipe(fd);
    after(drain, fd[0]);
    return by(writev(fd[1], parts, 3)) == MUCH ? 0 : -1;
}
static long in_send(void) {
    int fd[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    after(drain, fd[0]);
    return by(send(fd[1], much, MUCH, 0)) == MUCH ? 0 : -1;
}
static void write_more(long fd) {
    (void)!write((int)fd, much, 60);
}
static long in_recv_all(void) {
    int fd[2];
    char bytes[100];
    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    (void)!write(fd[1], much, 40);
    after(write_more, fd[1]);
    return by(recv(fd[0], bytes, 100, MSG_WAITALL)) == 100 ? 0 : -1;
}

/* --- until a signal of the program's own comes --- */

static long in_pause(void) {
    after(signal_thread, (long)pthread_self());
    return by(pause()) == -EINTR ? 0 : -1;
}
static long in_sigsuspend(void) {
    sigset_t mask, before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, &before);
    after(signal_thread, (long)pthread_self());
    long r = by(sigsuspend(&before));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r == -EINTR ? 0 : -1;
}
static long in_sigwaitinfo(void) {
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    after(signal_thread, (long)pthread_self());
    long r = by(sigwaitinfo(&set, NULL));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r == SIGUSR1 ? 0 : r;
}
static long in_interrupted_read(void) {
    char c;
    int fd = idle_fd();
    after(signal_thread, (long)pthread_self());
    return by(read(fd, &c, 1)) == -EINTR ? 0 : -1;
}
static long in_interrupted_epoll(void) {
    struct epoll_event event;
    int e = epoll_of(idle_fd());
    after(signal_thread, (long)pthread_self());
    return by(epoll_wait(e, &event, 1, 5000)) == -EINTR ? 0 : -1;
}
static long in_interrupted_poll(void) {
    after(signal_thread, (long)pthread_self());
    return by(poll(NULL, 0, 5000)) == -EINTR ? 0 : -1;
}
static long in_interrupted_nanosleep(void) {
    struct timespec t = {5, 0}, rest = {0, 0};
    after(wake_sleeper, (long)pthread_self());
    double begin = now();
    long r = by(nanosleep(&t, &rest));
    double end = now(), slept = 5000 - ((double)rest.tv_sec * 1e3 + (double)rest.tv_nsec / 1e6);
    if (r != -EINTR) return r ? r : -1;
    /* What it was told; it may not have begun at once. */
    return slept >= atomic_load(&sent) - begin - late_max && slept <= end - begin + 1 ? 0 : -1000 - (long)slept;
}

static const struct wait {
    const char *name;
    long (*in)(void);
} waits[] = {
#define WAIT(name)                                                                                                     \
    { #name, in_##name }
    WAIT(poll),
    WAIT(raw_poll),
    WAIT(ppoll),
    WAIT(select),
    WAIT(pselect),
    WAIT(epoll_wait),
    WAIT(syscall_epoll_wait),
    WAIT(epoll_pwait),
    WAIT(epoll_pwait2),
    WAIT(nanosleep),
    WAIT(raw_nanosleep),
    WAIT(clock_nanosleep),
    WAIT(absolute_nanosleep),
    WAIT(usleep),
    WAIT(sigtimedwait),
    WAIT(sem_timedwait),
    WAIT(cond_timedwait),
    WAIT(futex),
    WAIT(semtimedop),
    WAIT(io_getevents),
    WAIT(recv),
    WAIT(read_of_socket),
    WAIT(recvmsg),
    WAIT(accept),
    WAIT(epoll_for_ever),
    WAIT(poll_for_ever),
    WAIT(read),
    WAIT(msgrcv),
    WAIT(semop),
    WAIT(accept_for_ever),
    WAIT(waitpid),
    WAIT(sem_wait),
    WAIT(flock),
    WAIT(write),
    WAIT(writev),
    WAIT(send),
    WAIT(recv_all),
    WAIT(pause),
    WAIT(sigsuspend),
    WAIT(sigwaitinfo),
    WAIT(interrupted_read),
    WAIT(interrupted_epoll),
    WAIT(interrupted_poll),
    WAIT(interrupted_nanosleep),
};
#define WAITS (sizeof waits / sizeof waits[0])

static atomic_int right;
static bool prints;

static void *wait_in(void *p) {
    const struct wait *w = p;
    double begin = now();
    long r = w->in();
    double took = now() - begin;
    if (r != 0 || took < MS - 1 || took > MS + late_max)
        printf("%s: %ld after %.1f ms\n", w->name, r, took);
    else
        atomic_fetch_add(&right, 1);
    if (prints) fprintf(stderr, "%s %.2f\n", w->name, took - MS);
    return NULL;
}

static atomic_bool over;
static void *send_signals(void *p) {
    struct timespec t = {0, (long)(intptr_t)p * 1000000};
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (!atomic_load(&over)) {
        sigset_t pending;
        clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
        sigpending(&pending); /* a busy machine has not come to the last one yet */
        if (!sigismember(&pending, SIGRTMAX - 1)) syscall(SYS_tgkill, getpid(), getpid(), SIGRTMAX - 1);
    }
    return NULL;
}

int main(int argc, char **argv) {
    bool in_main = argc > 1 && strcmp(argv[1], "main") == 0;
    long apart = argc > 1 + in_main ? strtol(argv[1 + in_main], NULL, 10) : 20;
    struct sigaction action = {.sa_handler = on_usr1};
    pthread_t sender, threads[WAITS];
    if (getenv("LATE")) late_max = strtod(getenv("LATE"), NULL);
    prints = getenv("PRINT") != NULL;
    sigaction(SIGUSR1, &action, NULL);
    if (syscall(SYS_io_setup, 4, &aio) != 0) aio = 0;
    if (apart) pthread_create(&sender, NULL, send_signals, (void *)apart);
    for (size_t i = 0; i < WAITS; i++) {
        if (in_main)
            wait_in((void *)&waits[i]);
        else
            pthread_create(&threads[i], NULL, wait_in, (void *)&waits[i]);
    }
    if (!in_main)
        for (size_t i = 0; i < WAITS; i++) pthread_join(threads[i], NULL);
    atomic_store(&over, true);
    if (apart) pthread_join(sender, NULL);
    printf("%d of %zu\n", atomic_load(&right), WAITS);
    return 0;
}
