/* The answer of a program; see reply.h. The program may live in a container: its folders are looked up in its own root,
 * where no link of it leads out, and the file must be its own. */
#include "reporter/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "reporter/load/memory.h"

#define MOST    8192 /* bytes of an answer */
#define FOLDERS (sizeof((struct reply *)0)->folders / sizeof(int))

/* WEIR_BOX_DIR, else /dev/shm, else /tmp; which of them the program could use only it knows, so all are looked into.
 * One that has written its title over its environment still has its box there. */
bool reply_prepare(struct reply *reply, const struct proc *proc, uint32_t cookie, const char **why) {
    const char *folders[FOLDERS] = {proc_variable(proc, "WEIR_BOX_DIR"), "/dev/shm", "/tmp", proc->box_folder};
    bool found = false;
    (void)snprintf(reply->name, sizeof reply->name, "weir.%u.%u.reply", proc->inner_pid, cookie);
    (void)snprintf(reply->left, sizeof reply->left, "weir.%u.%u.set", proc->inner_pid, cookie);
    for (size_t i = 0; i < FOLDERS; i++) {
        reply->folders[i] = folders[i] && folders[i][0] == '/' ? proc_open_folder(proc->pid, folders[i]) : -1;
        if (reply->folders[i] >= 0) found = true;
    }
    *why = found ? NULL : strerror(errno);
    return found;
}

/* As the program's user: the folder is one that it has named, and root is not to do there what it may not. */
static void act_as(uid_t uid) {
    if (geteuid() == 0) (void)syscall(SYS_setfsuid, uid);
}

static bool is_its_own(int fd, const struct proc *proc) {
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == proc->uid;
}

static enum reply_state understand(const char *answer, char **text) {
    bool fine = strncmp(answer, "ok ", 3) == 0 && answer[3];
    bool complaint = strncmp(answer, "error ", 6) == 0;
    *text = memory_format("%s", fine ? answer + 3 : complaint ? answer + 6 : "its answer makes no sense");
    return fine ? REPLY_OK : REPLY_ERROR;
}

static enum reply_state take_from(int folder, const struct reply *reply, const struct proc *proc, char **text) {
    char bytes[MOST];
    int fd = openat(folder, reply->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return REPLY_NONE;
    ssize_t got = is_its_own(fd, proc) ? read(fd, bytes, sizeof bytes - 1) : -1;
    (void)close(fd);
    if (got < 0) {
        *text = memory_format("somebody else's file lies where its answer should be");
        return REPLY_ERROR;
    }
    act_as(proc->uid);
    (void)unlinkat(folder, reply->name, 0);
    act_as(0);
    bytes[got] = 0;
    bytes[strcspn(bytes, "\n")] = 0;
    return understand(bytes, text);
}

enum reply_state reply_take(const struct reply *reply, const struct proc *proc, char **text) {
    enum reply_state state = REPLY_NONE;
    for (size_t i = 0; i < FOLDERS && state == REPLY_NONE; i++)
        if (reply->folders[i] >= 0) state = take_from(reply->folders[i], reply, proc, text);
    return state;
}

static bool leave_in(int folder, const struct reply *reply, const struct proc *proc, const char *settings) {
    act_as(proc->uid);
    int fd = openat(folder, reply->left, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    act_as(0);
    if (fd < 0) return false;
    size_t length = strlen(settings);
    bool fine = write(fd, settings, length) == (ssize_t)length;
    int error = errno;
    (void)close(fd);
    errno = error;
    return fine;
}

bool reply_leave(const struct reply *reply, const struct proc *proc, const char *settings) {
    bool fine = false;
    for (size_t i = 0; i < FOLDERS; i++)
        if (reply->folders[i] >= 0 && leave_in(reply->folders[i], reply, proc, settings)) fine = true;
    return fine;
}

void reply_close(struct reply *reply, const struct proc *proc, bool left) {
    act_as(proc->uid);
    for (size_t i = 0; i < FOLDERS; i++) {
        if (reply->folders[i] < 0) continue;
        if (left) (void)unlinkat(reply->folders[i], reply->left, 0);
        (void)close(reply->folders[i]);
    }
    act_as(0);
}

static bool same_file(pid_t pid, const char *what) {
    char path[64], own[64];
    struct stat its, mine;
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
    (void)snprintf(own, sizeof own, "/proc/self/%s", what);
    return stat(path, &its) == 0 && stat(own, &mine) == 0 && its.st_dev == mine.st_dev && its.st_ino == mine.st_ino;
}

char *reply_path(const struct proc *proc, const char *path) {
    char link[64], folder[4096] = "";
    (void)snprintf(link, sizeof link, "/proc/%d/cwd", (int)proc->pid);
    if (path[0] != '/') { /* relative to where the program stands now */
        ssize_t length = readlink(link, folder, sizeof folder - 1);
        folder[length > 0 ? length : 0] = 0;
    }
    char *full = folder[0] ? memory_format("%s/%s", folder, path) : memory_text(path, strlen(path));
    if (same_file(proc->pid, "root") && same_file(proc->pid, "ns/mnt")) return full;
    char *reachable = memory_format("/proc/%d/root%s", (int)proc->pid, full);
    free(full);
    return reachable;
}
