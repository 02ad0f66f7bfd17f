/* Counts the instructions that a hit of malloc and of free executes inside libweir.so, by stepping through them one by
 * one. (Under valgrind the arena's window cannot be had, and another path runs.) Prints "malloc N free M". */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define BREAK() __asm__ volatile("int3")

static void child(void) {
    void *volatile held[3] = {malloc(100), malloc(100), malloc(100)};
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    free(held[0]);
    BREAK();
    void *volatile p = malloc(100);
    BREAK();
    BREAK();
    free(held[1]);
    BREAK();
    free(p);
    _exit(0);
}

static uintptr_t low, high;

static void find_weir(pid_t pid) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        unsigned long from, to;
        char access[5];
        if (!strstr(line, "libweir.so") || sscanf(line, "%lx-%lx %4s", &from, &to, access) != 3 || access[2] != 'x')
            continue;
        low = from;
        high = to;
    }
    if (f) fclose(f);
}

/* Steps from one breakpoint to the next. */
static int count(pid_t pid) {
    int status, n = 0;
    for (;;) {
        struct user_regs_struct regs;
        if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) != 0) return -1;
        long code = ptrace(PTRACE_PEEKTEXT, pid, (void *)regs.rip, NULL);
        if ((code & 0xff) == 0xcc) return n;
        n += regs.rip >= low && regs.rip < high;
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
            return -1;
    }
}

static void to_next_break(pid_t pid) {
    int status;
    ptrace(PTRACE_CONT, pid, NULL, NULL);
    waitpid(pid, &status, 0);
}

int main(void) {
    pid_t pid = fork();
    int status;
    if (pid == 0) child();
    waitpid(pid, &status, 0);
    find_weir(pid);
    int in_malloc = count(pid);
    to_next_break(pid); /* over the second breakpoint, to the third */
    to_next_break(pid);
    int in_free = count(pid);
    ptrace(PTRACE_KILL, pid, NULL, NULL);
    waitpid(pid, &status, 0);
    printf("malloc %d free %d\n", in_malloc, in_free);
    return in_malloc < 0 || in_free < 0;
}
