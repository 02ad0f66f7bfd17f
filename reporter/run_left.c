/* What is left when the program of a run has ended: processes that go on, and files that nobody writes any more. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "reporter/load/memory.h"
#include "reporter/load/proc.h"
#include "reporter/run.h"

#define PAUSE         10 /* ms */
#define WRITERS_BEGIN 50 /* ms after its process has ended a copy that is to write a dump has begun */
#define WRITERS_END   5000

/* By the environment that it was started with; one that has cleared it is not seen. */
static bool is_of_run(const struct run *run, pid_t pid) {
    struct proc proc = {.pid = pid};
    proc.environment = proc_read(pid, "environ", &proc.environment_length);
    const char *id = proc.environment ? proc_variable(&proc, "WEIR_RUN") : NULL;
    bool mine = id && strcmp(id, run->id) == 0;
    proc_free(&proc);
    return mine;
}

static size_t count_alive(const struct run *run) {
    size_t count = 0;
    DIR *folder = opendir("/proc");
    for (struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder)) {
        char *end = NULL;
        long pid = strtol(entry->d_name, &end, 10);
        if (pid > 0 && !*end && (pid_t)pid != getpid()) count += is_of_run(run, (pid_t)pid);
    }
    if (folder) (void)closedir(folder);
    return count;
}

/* A dump that is not whole, opened; -1: it is none. Whoever writes it holds it locked, and lets go by its end at the
 * latest. */
static int open_part(const char *folder, const char *name, char **path) {
    size_t length = strlen(name);
    if (length < 5 || strcmp(name + length - 5, ".part") != 0) return -1;
    *path = memory_format("%s/%s", folder, name);
    int fd = open(*path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) free(*path);
    return fd;
}

static bool is_being_written(const char *folder, const char *name) {
    char *path;
    int fd = open_part(folder, name, &path);
    if (fd < 0) return false;
    bool locked = flock(fd, LOCK_EX | LOCK_NB) != 0;
    (void)close(fd);
    free(path);
    return locked;
}

static bool some_dump_is_being_written(const char *folder) {
    bool some = false;
    DIR *open = folder ? opendir(folder) : NULL;
    for (struct dirent *entry = open ? readdir(open) : NULL; entry && !some; entry = readdir(open))
        some = is_being_written(folder, entry->d_name);
    if (open) (void)closedir(open);
    return some;
}

/* A dump at the ceiling or on a signal is written by a copy of the process, which may outlive it. */
size_t run_count_alive(const struct run *run, const char *folder) {
    const struct timespec pause = {0, PAUSE * 1000000L};
    size_t count = count_alive(run);
    for (int waited = 0; count > 0 && waited < WRITERS_END; waited += PAUSE) {
        if (waited >= WRITERS_BEGIN && !some_dump_is_being_written(folder)) break;
        (void)nanosleep(&pause, NULL);
        count = count_alive(run);
    }
    return count;
}

void run_remove_torn(const char *folder, const char *name) {
    char *path;
    int fd = open_part(folder, name, &path);
    if (fd < 0) return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) (void)unlink(path);
    (void)close(fd);
    free(path);
}
