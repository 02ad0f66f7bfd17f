/* Reading /proc; see proc.h. */
#include "reporter/load/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "reporter/load/memory.h"

#define SECOND 1000000000ull
#define MOST   (64u << 20) /* of one file: maps of a program with a million mappings */

char *proc_read_file(const char *path, size_t *length) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *bytes = NULL;
    size_t capacity = 0;
    ssize_t got = 1;
    *length = 0;
    if (fd < 0) return NULL;
    while (*length < MOST) {
        bytes = memory_more(bytes, &capacity, *length + 65536, 1);
        got = read(fd, bytes + *length, capacity - *length - 1);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        *length += (size_t)got;
    }
    int error = errno;
    (void)close(fd);
    errno = error;
    if (got < 0) {
        free(bytes);
        return NULL;
    }
    bytes[*length] = 0;
    return bytes;
}

char *proc_read(pid_t pid, const char *file, size_t *length) {
    char path[96];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    return proc_read_file(path, length);
}

/* The value of a line "Name:\tvalue" of a status file; NULL: there is none. */
static const char *field(const char *status, const char *name) {
    size_t length = strlen(name);
    for (const char *line = status; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, name, length) == 0 && line[length] == ':') return line + length + 1;
    return NULL;
}

static uint64_t mask(const char *status, const char *name) {
    const char *value = field(status, name);
    return value ? strtoull(value, NULL, 16) : 0;
}

/* What every thread blocks: SigBlk of the process itself is its first thread's. */
static uint64_t blocked_by_all(pid_t pid) {
    char path[300];
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    uint64_t all = UINT64_MAX;
    if (!folder) return 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        size_t length = 0;
        if (entry->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int)pid, entry->d_name);
        char *status = proc_read_file(path, &length);
        if (status) all &= mask(status, "SigBlk");
        free(status);
    }
    (void)closedir(folder);
    return all;
}

/* The last of the numbers that it has, one a namespace. */
static uint32_t innermost(pid_t pid, const char *status) {
    const char *pids = field(status, "NSpid");
    uint32_t inner = (uint32_t)pid;
    for (char *end = NULL; pids; pids = end) {
        unsigned long next = strtoul(pids, &end, 10);
        if (end == pids) break;
        inner = (uint32_t)next;
        if (*end == '\n') break;
    }
    return inner;
}

uint32_t proc_inner_pid(pid_t pid) {
    size_t length = 0;
    char *status = proc_read(pid, "status", &length);
    uint32_t inner = status ? innermost(pid, status) : 0;
    free(status);
    return inner;
}

static void look_at_status(struct proc *proc, const char *status) {
    const char *uids = field(status, "Uid"), *state = field(status, "State");
    proc->inner_pid = innermost(proc->pid, status);
    char *end = NULL;
    if (uids) (void)strtoul(uids, &end, 10);
    proc->uid = end ? (uid_t)strtoul(end, NULL, 10) : (uid_t)-1;
    proc->state = (char)(state ? state[strspn(state, "\t ")] : '?');
    proc->caught = mask(status, "SigCgt");
    proc->blocked = blocked_by_all(proc->pid);
}

/* DIR of a line of maps that ends in DIR/weir.UID/weir.PID.box. */
static char *box_folder(const char *maps) {
    for (const char *name = strstr(maps, "/weir."); name; name = strstr(name + 1, "/weir.")) {
        size_t digits = strspn(name + 6, "0123456789"), line = strcspn(name, "\n");
        const char *file = name + 6 + digits, *start = name;
        if (digits == 0 || strncmp(file, "/weir.", 6) != 0 || line < 5 || strncmp(name + line - 4, ".box", 4) != 0)
            continue;
        while (start > maps && start[-1] != '\n' && start[-1] != ' ') start--;
        return *start == '/' ? memory_text(start, (size_t)(name - start)) : NULL;
    }
    return NULL;
}

bool proc_look(struct proc *proc, pid_t pid, const char **why) {
    size_t length = 0;
    *proc = (struct proc){.pid = pid};
    char *status = proc_read(pid, "status", &length);
    if (!status) {
        *why = errno == ENOENT || errno == ESRCH ? "there is no such process" : strerror(errno);
        return false;
    }
    look_at_status(proc, status);
    free(status);
    char *maps = proc_read(pid, "maps", &length);
    proc->has_weir = maps && strstr(maps, "/libweir.so") != NULL;
    if (maps) proc->box_folder = box_folder(maps);
    bool seen = maps != NULL;
    free(maps);
    if (seen) proc->environment = proc_read(pid, "environ", &proc->environment_length);
    if (proc->environment) return true;
    *why = errno == EACCES || errno == EPERM ? "this user may not look into it" : "it has ended";
    return false;
}

void proc_free(struct proc *proc) {
    free(proc->environment);
    free(proc->box_folder);
    *proc = (struct proc){0};
}

const char *proc_variable(const struct proc *proc, const char *name) {
    size_t length = strlen(name);
    for (size_t at = 0; at < proc->environment_length; at += strlen(proc->environment + at) + 1) {
        const char *entry = proc->environment + at;
        if (strncmp(entry, name, length) == 0 && entry[length] == '=') return entry + length + 1;
    }
    return NULL;
}

int proc_open_folder(pid_t pid, const char *folder) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/root", (int)pid);
    int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return -1;
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    int fd = (int)syscall(SYS_openat2, root, folder, &how, sizeof how);
    int error = errno;
    (void)close(root);
    errno = error;
    return fd;
}

/* Field 22 of stat, in ticks since the machine came up; the name before it may have anything in it. */
uint64_t proc_started(pid_t pid) {
    size_t length = 0;
    char *stat = proc_read(pid, "stat", &length);
    const char *at = stat ? strrchr(stat, ')') : NULL;
    struct timespec up, now;
    long ticks = sysconf(_SC_CLK_TCK);
    for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
    uint64_t since = at ? strtoull(at, NULL, 10) : 0;
    free(stat);
    if (!at || ticks <= 0 || clock_gettime(CLOCK_BOOTTIME, &up) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0)
        return 0;
    uint64_t age = (uint64_t)up.tv_sec * SECOND + (uint64_t)up.tv_nsec - since * (SECOND / (uint64_t)ticks);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec - age;
}
