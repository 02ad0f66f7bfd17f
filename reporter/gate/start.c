/* See start.h. */
#include "reporter/gate/start.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "reporter/commands.h"
#include "reporter/load/memory.h"
#include "reporter/load/signals.h"
#include "reporter/run.h"

#define ROOM_LEAST (1u << 20) /* bytes, of which a dump of a small program may take some hundred thousand */

/* How it ended, as waitpid has it. */
static int run_and_wait(char **line) {
    int status = EXIT_FAILED << 8;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        (void)execv(line[0], line);
        _exit(EXIT_FAILED);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/* This program again, as `weir run`, so that all that it does holds here. */
int start_under_weir(char *folder, char **arguments, size_t count) {
    char *self = run_self();
    char **line = memory_get(count + 6, sizeof *line);
    char run[] = "run", quiet[] = "--quiet", end[] = "--";
    char *output = memory_format("--output=%s/%%e.%%p.%%n.dump", folder);
    size_t n = 0;
    line[n++] = self;
    line[n++] = run;
    line[n++] = quiet;
    line[n++] = output;
    line[n++] = end;
    for (size_t i = 0; i < count; i++) line[n++] = arguments[i];
    int status = run_and_wait(line);
    free(output);
    free(line);
    free(self);
    return status;
}

char *start_folder(const char *what) {
    char *here = realpath(".", NULL);
    char *folder = memory_format("%s/weir.%s.%d.d", here ? here : "/tmp", what, (int)getpid());
    free(here);
    if (mkdir(folder, 0700) == 0) return folder;
    view_message("%s: cannot be made: %s", folder, strerror(errno));
    free(folder);
    return NULL;
}

char *start_subfolder(const char *folder, size_t number) {
    char *own = memory_format("%s/%zu", folder, number);
    if (mkdir(own, 0700) == 0) return own;
    view_message("%s: cannot be made: %s", own, strerror(errno));
    free(own);
    return NULL;
}

bool start_is_full(const char *folder) {
    struct statvfs room;
    return statvfs(folder, &room) == 0 && (uint64_t)room.f_bavail * room.f_frsize < ROOM_LEAST;
}

void start_remove(char *folder) {
    char *line[] = {(char[]){"/bin/rm"}, (char[]){"-rf"}, (char[]){"--"}, folder, NULL};
    (void)run_and_wait(line);
    free(folder);
}

void start_adopt(void) {
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static bool pass_ms(unsigned *left, unsigned ms) {
    if (*left < ms) return false;
    struct timespec pause = {0, (long)ms * 1000000};
    (void)nanosleep(&pause, NULL);
    *left -= ms;
    return true;
}

/* What the program left running when it ended has become this one's child. */
void start_wait(struct gate *gate, size_t seconds) {
    unsigned left = (unsigned)seconds * 1000;
    for (;;) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        bool told = WIFSIGNALED(status) && (WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT); /* by a dump */
        if (pid > 0 && WIFSIGNALED(status) && !told)
            gate_add(gate, GATE_INCONCLUSIVE,
                     memory_format("process %d of it was killed by %s", (int)pid, signal_name(WTERMSIG(status))));
        if (pid < 0 && errno != EINTR) return;
        if (pid == 0 && !pass_ms(&left, 10)) break;
    }
    gate_add(gate, GATE_INCONCLUSIVE, memory_format("processes of it go on, %zu seconds after its end", seconds));
}

int cmd_gate_canary(int count, char **arguments) {
    (void)count, (void)arguments;
    char *volatile lost = malloc(START_CANARY);
    if (lost) lost[0] = 1;
    lost = NULL;
    /* What the call has left in registers and on the stack. NOLINTNEXTLINE(clang-analyzer-unix.Malloc): a leak it is */
    char room[4096];
    memset(room, 0, sizeof room);
    __asm__ volatile("" ::"r"(room)
                     : "memory", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
                       "r14", "r15");
    return EXIT_FINE;
}
