/* Runs a program as kernels from 5.7 to 6.16 do: oldkernel PROGRAM ARGUMENT... There an mremap to a fixed address whose
 * source is more than one mapping fails with EFAULT, after it has unmapped the target. Ends as the program does. Says
 * on standard error how many calls failed so. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* [at, at + n) is not all of one mapping of the process. */
static bool crosses(pid_t pid, unsigned long at, unsigned long n) {
    char path[64], line[512];
    bool one = false;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx", &from, &to) == 2 && at >= from && at < to) one = at + n <= to;
    }
    if (f) fclose(f);
    return !one;
}

int main(int argc, char **argv) {
    pid_t pid = argc > 1 ? fork() : -1;
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    int status, failed = 0, signal = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return 2;
    ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
    for (bool inside = false, changed = false;;) {
        ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)signal);
        if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) break;
        signal = 0;
        if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
            if (WSTOPSIG(status) != SIGTRAP) signal = WSTOPSIG(status);
            continue;
        }
        struct user_regs_struct r;
        ptrace(PTRACE_GETREGS, pid, NULL, &r);
        inside = !inside;
        if (inside && r.orig_rax == SYS_mremap && (r.r10 & MREMAP_FIXED) && crosses(pid, r.rdi, r.rsi)) {
            changed = true;
            failed++;
            r.orig_rax = SYS_munmap;
            r.rdi = r.r8;
            ptrace(PTRACE_SETREGS, pid, NULL, &r);
        } else if (!inside && changed) {
            changed = false;
            r.rax = (unsigned long)-EFAULT;
            ptrace(PTRACE_SETREGS, pid, NULL, &r);
        }
    }
    fprintf(stderr, "%d moves failed\n", failed);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
