/* Stepping through a child's instructions, for tests that count or interrupt those of libweir.so. */
#ifndef TESTS_SHIM_STEPPING_H
#define TESTS_SHIM_STEPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#define STEPPING_FLAG 0x100 /* of the flags register: a trap behind each instruction */

/* Steps through the program's own instructions from here on, or no longer; below it lies what a leaf function uses. */
static inline void stepping_trap(bool on) {
    if (on)
        __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orq %0, (%%rsp); popfq; lea 128(%%rsp), %%rsp"
                         :
                         : "i"(STEPPING_FLAG)
                         : "memory", "cc");
    else
        __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andq %0, (%%rsp); popfq; lea 128(%%rsp), %%rsp"
                         :
                         : "i"(~STEPPING_FLAG)
                         : "memory", "cc");
}

/* In the child: stops it, for the parent to see. */
#define BREAK() __asm__ volatile("int3")

struct stepped {
    pid_t pid;
    uintptr_t low, high; /* libweir.so's code */
};

static inline bool stepping_find_weir(struct stepped *s) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)s->pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        unsigned long from, to;
        char access[5];
        if (!strstr(line, "libweir.so") || sscanf(line, "%lx-%lx %4s", &from, &to, access) != 3 || access[2] != 'x')
            continue;
        s->low = from;
        s->high = to;
    }
    if (f) fclose(f);
    return s->high > 0;
}

/* Lets it run, with the signal if one is given, to its next stop: the signal that stopped it, SIGTRAP at a BREAK; -1:
 * it ended. */
static inline int stepping_continue(const struct stepped *s, int signal) {
    int status;
    if (ptrace(PTRACE_CONT, s->pid, NULL, (void *)(long)signal) != 0 || waitpid(s->pid, &status, 0) != s->pid)
        return -1;
    return WIFSTOPPED(status) ? WSTOPSIG(status) : -1;
}

/* Executes up to `most` of weir's instructions, and those of others in between, but not a BREAK. How many; -1: it
 * could not be stepped. `where`: the last place in weir, from its code's beginning. */
static inline long stepping_count(const struct stepped *s, long most, uintptr_t *where) {
    for (long n = 0;;) {
        int status;
        uintptr_t at = (uintptr_t)ptrace(PTRACE_PEEKUSER, s->pid, (void *)offsetof(struct user_regs_struct, rip), NULL);
        bool inside = at >= s->low && at < s->high;
        if (inside) *where = at - s->low;
        if (inside ? n == most : (ptrace(PTRACE_PEEKTEXT, s->pid, (void *)at, NULL) & 0xff) == 0xcc) return n;
        n += inside;
        if (ptrace(PTRACE_SINGLESTEP, s->pid, NULL, NULL) != 0 || waitpid(s->pid, &status, 0) != s->pid ||
            !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) {
            return -1;
        }
    }
}

#endif
