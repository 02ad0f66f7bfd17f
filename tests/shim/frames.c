/* Leaks blocks through frames of every kind, and prints for each what libunwind says its stack is: SIZE then offsets
 * from the program's start, of frames within the program only, innermost first. */
#define UNW_LOCAL_ONLY
#include <alloca.h>
#include <libunwind.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char __executable_start[], etext[];

__attribute__((noinline)) static void leak(size_t size) {
    unw_context_t context;
    unw_cursor_t cursor;
    unw_getcontext(&context);
    unw_init_local(&cursor, &context);
    char line[4096];
    int n = sprintf(line, "%zu", size);
    int first = 1;
    do {
        unw_word_t ip;
        unw_get_reg(&cursor, UNW_REG_IP, &ip);
        if (ip < (unw_word_t)__executable_start || ip > (unw_word_t)etext) continue;
        if (!first) n += sprintf(line + n, " %lx", (unsigned long)(ip - (unw_word_t)__executable_start));
        first = 0; /* this function itself: its call of malloc is elsewhere */
    } while (unw_step(&cursor) > 0);
    puts(line);
    char *volatile p = malloc(size);
    p[0] = 1;
}

__attribute__((noinline)) static void with_alloca(size_t size, int n) {
    char *volatile room = alloca((size_t)n * 100 + 7);
    room[0] = 1;
    leak(size);
    room[1] = 2;
}
__attribute__((noinline, optimize("omit-frame-pointer"))) static void without_frame_pointer(size_t size, int depth) {
    volatile char room[200];
    room[depth] = 1;
    if (depth > 0)
        without_frame_pointer(size, depth - 1);
    else
        leak(size);
    room[0] = 2;
}
__attribute__((noinline)) static void realigned(size_t size) {
    volatile char room[256] __attribute__((aligned(256)));
    char *volatile more = alloca(size % 64 + 1);
    more[0] = room[0] = 1;
    leak(size);
    room[1] = 2;
}
static int compare(const void *a, const void *b) {
    static int once;
    if (!once++) leak(1004);
    return *(const int *)a - *(const int *)b;
}
static void on_signal(int number) {
    leak(1000 + (size_t)(number == SIGUSR1 ? 5 : 6));
}
/* Says of rbp that it lies in another register, of which weir keeps no account. */
void with_rbp_elsewhere(size_t size, void (*f)(size_t));
__asm__(".pushsection .text\n"
        "with_rbp_elsewhere:\n"
        "    .cfi_startproc\n"
        "    pushq %r12\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset %r12, 0\n"
        "    movq %rbp, %r12\n"
        "    .cfi_register %rbp, %r12\n"
        "    call *%rsi\n"
        "    movq %r12, %rbp\n"
        "    .cfi_restore %rbp\n"
        "    popq %r12\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore %r12\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".popsection\n");

__attribute__((noinline)) static void with_large_frame(size_t size) {
    volatile char room[20 << 20];
    room[0] = 1;
    leak(size);
    room[1] = 1;
}
static void *thread_with_large_stack(void *argument) {
    with_large_frame(1008);
    __asm__ volatile("");
    return argument;
}
static void *thread(void *argument) {
    leak(1007);
    __asm__ volatile("");
    return argument;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 1 << 16);
    with_alloca(1001, 5);
    without_frame_pointer(1002, 9);
    realigned(1003);
    int values[] = {3, 1, 2};
    qsort(values, 3, sizeof values[0], compare);
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    stack_t alternate = {.ss_sp = malloc(65536), .ss_size = 65536};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR2, &action, NULL);
    raise(SIGUSR2);
    pthread_t t;
    pthread_create(&t, NULL, thread, NULL);
    pthread_join(t, NULL);
    pthread_attr_t large;
    pthread_attr_init(&large);
    pthread_attr_setstacksize(&large, 64 << 20);
    pthread_create(&t, &large, thread_with_large_stack, NULL);
    pthread_join(t, NULL);
    with_rbp_elsewhere(1009, leak);
    return 0;
}
