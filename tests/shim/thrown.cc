// A signal handler that interrupted operator new throws, hundreds of times: built with -fnon-call-exceptions. Where the
// exception is caught nothing is allocated before another thread has; then all goes on.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <pthread.h>
#include <semaphore.h>
#include <sys/time.h>

static volatile sig_atomic_t may_throw;
static sem_t may_go, has_been;

static void handle(int number) {
    if (!may_throw) return;
    may_throw = 0;
    throw number;
}

static void *wait_and_work(void *unused) {
    for (;;) {
        sem_wait(&may_go);
        for (size_t n = 100; n < 8000000; n *= 5) operator delete(operator new(n));
        sem_post(&has_been);
    }
    return unused;
}

__attribute__((noinline)) static void work(unsigned i) {
    unsigned mixed = i * 2654435761u;
    may_throw = 1;
    void *p = operator new(i % 2 ? mixed % 3000000 : mixed % 3000);
    may_throw = 0;
    operator delete(p);
}

int main() {
    pthread_t thread;
    sigset_t alarms;
    struct itimerval tick = {{0, 200}, {0, 200}}, none = {};
    volatile unsigned caught = 0;
    signal(SIGALRM, handle);
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarms, NULL); // for that thread
    if (pthread_create(&thread, NULL, wait_and_work, NULL) != 0) return 2;
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    setitimer(ITIMER_REAL, &tick, NULL);
    for (volatile unsigned i = 0; caught < 300;) {
        try {
            for (;;) work(i = i + 1);
        } catch (int) {
        }
        caught = caught + 1;
        sem_post(&may_go);
        while (sem_wait(&has_been) != 0) {
        }
        pthread_sigmask(SIG_UNBLOCK, &alarms, NULL); // the handler has not returned
    }
    setitimer(ITIMER_REAL, &none, NULL);
    for (unsigned i = 0; i < 1000; i++) work(i);
    printf("%u caught\n", (unsigned)caught);
    return 0;
}
