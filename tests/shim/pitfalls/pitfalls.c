/* One pitfall a run: pitfalls NAME [FILE]. Prints "fine" where nothing broke. */
#include <dlfcn.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static const char *file;

static void churn(int rounds) {
    void *p[32] = {0};
    for (int i = 0; i < rounds; i++) {
        free(p[i % 32]);
        size_t n = (size_t)i * 37 % 9000 + 1;
        p[i % 32] = malloc(n);
        if (!p[i % 32]) abort();
        memset(p[i % 32], i, n);
    }
    for (int i = 0; i < 32; i++) free(p[i]);
}
static void *churn_in_thread(void *argument) {
    churn(2000);
    return argument;
}
static void run_thread(void *(*work)(void *), void *argument) {
    pthread_t t;
    if (pthread_create(&t, NULL, work, argument) != 0) abort();
    (void)pthread_join(t, NULL);
}
static long resident(void) {
    long pages = 0, ignored;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld %ld", &ignored, &pages) != 2) abort();
    (void)fclose(f);
    return pages * 4096;
}
static bool ended_well(pid_t pid) {
    int status = -1;
    return pid > 0 && waitpid(pid, &status, __WALL) == pid && status == 0;
}

/* --- threads --- */

static void *look_up(void *argument) {
    (void)gethostbyname("localhost");
    return argument;
}
static bool resolver_in_a_thread(void) {
    for (int i = 0; i < 20; i++) run_thread(look_up, NULL);
    return true;
}

static pthread_key_t late_key;
static void free_late(void *p) {
    static _Thread_local int rounds;
    free(p);
    churn(40);
    if (++rounds < 6) (void)pthread_setspecific(late_key, malloc(100));
}
static void *set_late(void *argument) {
    (void)pthread_setspecific(late_key, malloc(100));
    return argument;
}
static bool all_keys_taken(void) {
    pthread_key_t key;
    if (pthread_key_create(&late_key, free_late) != 0) return false;
    while (pthread_key_create(&key, free_late) == 0) continue;
    for (int i = 0; i < 20; i++) run_thread(churn_in_thread, NULL);
    for (int i = 0; i < 20; i++) run_thread(set_late, NULL);
    return true;
}

static void *outlive_main(void *argument) {
    (void)usleep(20000);
    churn(1000);
    puts("fine");
    (void)fflush(stdout);
    return argument;
}
static bool main_thread_ends_first(void) {
    pthread_t t;
    churn(100);
    if (pthread_create(&t, NULL, outlive_main, NULL) != 0) return false;
    pthread_exit(NULL);
}

static _Atomic int ticks;
static void on_tick(union sigval v) {
    (void)v;
    churn(50);
    ticks++;
}
static bool timer_threads(void) {
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_tick};
    struct itimerspec every = {{0, 500000}, {0, 500000}};
    timer_t timer;
    long before = 0;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &every, NULL) != 0) return false;
    for (int i = 0; i < 4000 && ticks < 600; i++) {
        (void)usleep(1000);
        if (ticks < 300) before = resident();
    }
    (void)timer_delete(timer);
    long grown = resident() - before;
    if (grown > 2 << 20) printf("grew by %ld KiB in %d threads\n", grown >> 10, ticks);
    return ticks >= 600 && grown <= 2 << 20;
}

#define QUEUE 4096
static _Atomic(void *) queue[QUEUE];
static _Atomic int making = 8;
static void *make_only(void *argument) {
    for (int i = 0; i < 40000; i++) {
        void *p = malloc(200), *none = NULL;
        memset(p, 1, 200);
        for (size_t at = (size_t)i * 31 + (size_t)(uintptr_t)argument * 511;
             !atomic_compare_exchange_strong(&queue[at % QUEUE], &none, p); at++) {
            none = NULL;
            if (at % 64 == 0) (void)sched_yield();
        }
    }
    making--;
    return NULL;
}
static void *free_only(void *argument) {
    do {
        for (int i = 0; i < QUEUE; i++) free(atomic_exchange(&queue[i], NULL));
    } while (making > 0);
    return argument;
}
static bool one_thread_only_frees(void) {
    pthread_t maker[8], freer;
    long before = resident();
    (void)pthread_create(&freer, NULL, free_only, NULL);
    for (long i = 0; i < 8; i++) (void)pthread_create(&maker[i], NULL, make_only, (void *)i);
    for (int i = 0; i < 8; i++) (void)pthread_join(maker[i], NULL);
    (void)pthread_join(freer, NULL);
    long grown = resident() - before; /* 64 MB went through, 1 MB at a time */
    if (grown > 16 << 20) printf("grew by %ld KiB\n", grown >> 10);
    return grown <= 16 << 20;
}

/* --- forks --- */

static _Atomic int phases;
static void in_phase(void) {
    churn(100);
    phases++;
}
static bool atfork_handlers_allocate(void) {
    if (pthread_atfork(in_phase, in_phase, in_phase) != 0) return false;
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(phases == 2 * (i + 1) ? 0 : 1);
        if (!ended_well(pid)) return false;
    }
    return phases == 40;
}

static int child_main(void *argument) {
    churn(1000);
    if (argument) *(_Atomic int *)argument = 1;
    syscall(SYS_exit, 0);
    return 0;
}
static bool clone_with_memory_of_its_own(void) {
    static char stack[65536] __attribute__((aligned(16)));
    for (int i = 0; i < 20; i++)
        if (!ended_well(clone(child_main, stack + sizeof stack, SIGCHLD, NULL))) return false;
    churn(1000);
    return true;
}
static bool clone_in_the_same_memory(void) {
    static char stack[65536] __attribute__((aligned(16)));
    static _Atomic int done;
    for (int i = 0; i < 20; i++) {
        done = 0;
        churn(100);
        if (!ended_well(clone(child_main, stack + sizeof stack, SIGCHLD | CLONE_VM, &done)) || !done) return false;
        churn(100);
    }
    return true;
}

static atomic_bool stop;
static void *churn_until_stopped(void *argument) {
    while (!stop) churn(100);
    return argument;
}
static bool child_of_50_threads(void) {
    pthread_t t[50];
    for (int i = 0; i < 50; i++) (void)pthread_create(&t[i], NULL, churn_until_stopped, NULL);
    (void)usleep(20000);
    pid_t pid = fork();
    if (pid == 0) {
        char *volatile mine = malloc(54321);
        mine[0] = 1;
        exit(0);
    }
    bool well = ended_well(pid);
    stop = true;
    for (int i = 0; i < 50; i++) (void)pthread_join(t[i], NULL);
    return well;
}
static bool new_user_namespace(void) {
    if (unshare(CLONE_NEWUSER) == 0) return true;
    printf("%s\n", strerror(errno));
    return errno == EPERM || errno == ENOSPC; /* EINVAL would tell of a second thread */
}

/* --- signals --- */

static atomic_int handled;
static void on_signal(int n) {
    (void)n;
    char *volatile small = malloc(100), *volatile large = malloc(300000);
    small[0] = large[0] = 1;
    free(small), free(large);
    handled++;
}
static bool handler_on_8_kib(void) {
    static char stack[8192] __attribute__((aligned(16)));
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    (void)sigaltstack(&alternate, NULL);
    (void)sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 100; i++) (void)raise(SIGUSR1);
    return handled == 100;
}
static bool all_signals_blocked(void) {
    sigset_t all;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    churn(1000);
    run_thread(churn_in_thread, NULL);
    return true;
}
static bool masks_stay_as_they_are(void) {
    sigset_t before, after;
    (void)pthread_sigmask(SIG_BLOCK, NULL, &before);
    churn(5000);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &after);
    return memcmp(&before, &after, 8) == 0;
}

/* --- other allocators, other namespaces --- */

static bool trade(void *library) {
    if (!library) {
        printf("%s\n", dlerror());
        return false;
    }
    void *(*make)(size_t);
    void (*give)(void *);
    *(void **)&make = dlsym(library, "friend_make");
    *(void **)&give = dlsym(library, "friend_free");
    for (size_t n = 1; n < 200000; n = n * 2 + 1) {
        char *p = make(n);
        if (p[n - 1] != 7 || malloc_usable_size(p) < n) return false;
        free(p);
        p = realloc(make(n), n * 2);
        if (p[n - 1] != 7) return false;
        free(p);
        give(make(n));
    }
    return true;
}
static bool deepbound_library(void) {
    return trade(dlopen(file, RTLD_NOW | RTLD_DEEPBIND));
}
static bool deepbound_library_frees_ours(void) {
    void *library = dlopen(file, RTLD_NOW | RTLD_DEEPBIND);
    void (*give)(void *);
    if (!library) return false;
    *(void **)&give = dlsym(library, "friend_free");
    for (size_t n = 1; n < 200000; n = n * 2 + 1) give(malloc(n));
    return true;
}
/* What its malloc made is nobody's here: it is named and left alone. */
static bool second_libc(void) {
    void *library = dlmopen(LM_ID_NEWLM, file, RTLD_NOW);
    void *(*make)(size_t);
    void (*give)(void *);
    if (!library) return false;
    *(void **)&make = dlsym(library, "friend_make");
    *(void **)&give = dlsym(library, "friend_free");
    for (size_t n = 1; n < 200000; n = n * 2 + 1) {
        free(make(n));
        give(make(n));
    }
    churn(1000);
    return true;
}
static bool loading_and_unloading(void) {
    for (int i = 0; i < 20; i++) {
        void *library = dlopen(file, RTLD_NOW);
        if (!library) return false;
        churn(100);
        (void)dlclose(library);
        run_thread(churn_in_thread, NULL);
    }
    return true;
}

/* --- kernels that refuse --- */

static bool filtered_system_calls(void) {
#define ALLOW(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(read),
        ALLOW(write),
        ALLOW(exit),
        ALLOW(exit_group),
        ALLOW(mmap),
        ALLOW(munmap),
        ALLOW(mprotect),
        ALLOW(mremap),
        ALLOW(brk),
        ALLOW(madvise),
        ALLOW(futex),
        ALLOW(clock_gettime),
        ALLOW(rt_sigreturn),
        ALLOW(fstat),
        ALLOW(fcntl), /* without these weir cannot know that 2 is standard error, and says nothing */
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        puts("no filters here");
        return false;
    }
    churn(5000);
    for (size_t n = 1; n < 100000000; n *= 3) {
        char *p = realloc(calloc(1, n), n * 2);
        if (!p) return false;
        p[n] = 1;
        free(p);
    }
    (void)malloc_trim(0);
    return true;
}
static bool locked_memory(void) {
    if (mlockall(MCL_CURRENT) != 0) return true;
    for (int i = 0; i < 300; i++) {
        size_t n = (size_t)i * 1777 % 400000 + 1;
        char *dirty = malloc(n);
        memset(dirty, 0xee, n);
        free(dirty);
        if (i % 50 == 0) (void)malloc_trim(0);
        char *clean = calloc(1, n);
        for (size_t k = 0; k < n; k++)
            if (clean[k]) return false;
        free(clean);
    }
    return true;
}
static bool few_kernel_mappings(void) {
    enum { BLOCKS = 70000 };
    void **p = malloc(BLOCKS * sizeof *p);
    for (int i = 0; i < BLOCKS; i++)
        if (!(p[i] = malloc(65536))) return false;
    for (int i = 0; i < BLOCKS; i += 2) free(p[i]);
    int lines = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    for (int c; f && (c = getc(f)) != EOF;) lines += c == '\n';
    if (f) (void)fclose(f);
    if (lines >= 1000) printf("%d mappings\n", lines);
    return lines > 0 && lines < 1000;
}

/* --- at the ceiling --- */

static char *(*lazy_room)(void);
static pthread_barrier_t full;
static void *touch_lazily(void *argument) {
    (void)pthread_barrier_wait(&full);
    (void)pthread_barrier_wait(&full);
    lazy_room()[5]++;
    return argument;
}
static bool thread_storage_at_the_ceiling(void) {
    pthread_t t;
    (void)pthread_barrier_init(&full, NULL, 2);
    (void)pthread_create(&t, NULL, touch_lazily, NULL);
    (void)pthread_barrier_wait(&full);
    void *library = dlopen(file, RTLD_NOW);
    if (!library) return false;
    *(void **)&lazy_room = dlsym(library, "lazy_room");
    void *first = NULL;
    for (size_t n = 1 << 20; n >= 16; n /= 2) {
        for (void **p; (p = malloc(n)); first = p) *p = first;
    }
    (void)pthread_barrier_wait(&full);
    (void)pthread_join(t, NULL);
    return true;
}

/* --- stacks --- */

static ucontext_t main_context, other_context;
static void coroutine(void) {
    for (int i = 0; i < 100; i++) {
        char *volatile p = malloc(777);
        p[0] = 1;
        if (i > 0) free(p);
        (void)swapcontext(&other_context, &main_context);
    }
}
static bool coroutines_on_16_kib(void) {
    static char stack[16384] __attribute__((aligned(16)));
    (void)getcontext(&other_context);
    other_context.uc_stack.ss_sp = stack;
    other_context.uc_stack.ss_size = sizeof stack;
    other_context.uc_link = &main_context;
    makecontext(&other_context, coroutine, 0);
    for (int i = 0; i < 100; i++) {
        (void)swapcontext(&main_context, &other_context);
        free(malloc(100));
    }
    return true;
}

__attribute__((noinline)) static size_t descend(int depth) {
    char *volatile p = depth % 1000 == 0 ? malloc(100) : NULL;
    size_t sum = depth > 0 ? descend(depth - 1) + 1 : 0;
    free(p);
    return sum;
}
static bool deep_recursion(void) {
    return descend(50000) == 50000;
}

/* The libraries are copies of one: the second may come to lie where the first was. */
static bool leak_in_a_library_that_goes(void) {
    char copy[4096];
    for (size_t n = 1; n <= 2; n++) {
        (void)snprintf(copy, sizeof copy, "%s.%zu", file, n);
        void *library = dlopen(copy, RTLD_NOW);
        if (!library) return false;
        void *(*make)(size_t);
        *(void **)&make = dlsym(library, "friend_make");
        ((volatile char *)make(3000 + n))[0] = 1;
        (void)dlclose(library);
    }
    return true;
}

static const struct {
    const char *name;
    bool (*run)(void);
} pitfalls[] = {
    {"resolver_in_a_thread", resolver_in_a_thread},
    {"all_keys_taken", all_keys_taken},
    {"main_thread_ends_first", main_thread_ends_first},
    {"timer_threads", timer_threads},
    {"one_thread_only_frees", one_thread_only_frees},
    {"atfork_handlers_allocate", atfork_handlers_allocate},
    {"clone_with_memory_of_its_own", clone_with_memory_of_its_own},
    {"clone_in_the_same_memory", clone_in_the_same_memory},
    {"child_of_50_threads", child_of_50_threads},
    {"new_user_namespace", new_user_namespace},
    {"handler_on_8_kib", handler_on_8_kib},
    {"all_signals_blocked", all_signals_blocked},
    {"masks_stay_as_they_are", masks_stay_as_they_are},
    {"deepbound_library", deepbound_library},
    {"deepbound_library_frees_ours", deepbound_library_frees_ours},
    {"second_libc", second_libc},
    {"loading_and_unloading", loading_and_unloading},
    {"filtered_system_calls", filtered_system_calls},
    {"locked_memory", locked_memory},
    {"few_kernel_mappings", few_kernel_mappings},
    {"thread_storage_at_the_ceiling", thread_storage_at_the_ceiling},
    {"coroutines_on_16_kib", coroutines_on_16_kib},
    {"deep_recursion", deep_recursion},
    {"leak_in_a_library_that_goes", leak_in_a_library_that_goes},
};

int main(int argc, char **argv) {
    (void)alarm(60);
    file = argc > 2 ? argv[2] : "";
    for (size_t i = 0; argc > 1 && i < sizeof pitfalls / sizeof pitfalls[0]; i++) {
        if (strcmp(argv[1], pitfalls[i].name) != 0) continue;
        bool fine = pitfalls[i].run();
        puts(fine ? "fine" : "broken");
        return !fine;
    }
    return 2;
}
