/* What /proc says of a running process. Read in one piece each, with a limit; nothing here blocks. */
#ifndef WEIR_LOAD_PROC_H
#define WEIR_LOAD_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc {
    pid_t pid;
    char *environment; /* NAME=VALUE, each ended by a zero byte */
    size_t environment_length;
    uint64_t caught, blocked; /* signals, bit n-1; blocked: by every thread */
    uid_t uid;                /* effective */
    uint32_t inner_pid;       /* as the process sees itself */
    bool has_weir;            /* libweir.so is mapped */
    char *box_folder;         /* where its box lies in a folder of its user's; NULL: it has none */
    char state;               /* R, S, T, Z … */
};

/* Terminated, freed by the caller; NULL and errno. */
char *proc_read(pid_t pid, const char *file, size_t *length); /* /proc/PID/file */
char *proc_read_file(const char *path, size_t *length);

/* False: `why` says what could not be read. */
bool proc_look(struct proc *proc, pid_t pid, const char **why);
void proc_free(struct proc *proc);
const char *proc_variable(const struct proc *proc, const char *name); /* NULL: not set */

/* A folder as the process sees it, of which no link leads out of its root. Below 0: errno. */
int proc_open_folder(pid_t pid, const char *folder);

/* As the process sees itself; 0: it is gone. */
uint32_t proc_inner_pid(pid_t pid);

/* When it was started, in ns of the real time, to a hundredth of a second; 0: not known. */
uint64_t proc_started(pid_t pid);

#endif
