/* What is left when the program of a run has ended: processes that go on, and files that nobody writes any more. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "reporter/load/memory.h"
#include "reporter/load/proc.h"
#include "reporter/run.h"

/* By the environment that it was started with; one that has cleared it is not seen. */
static bool is_of_run(const struct run *run, pid_t pid) {
    struct proc proc = {.pid = pid};
    proc.environment = proc_read(pid, "environ", &proc.environment_length);
    const char *id = proc.environment ? proc_variable(&proc, "WEIR_RUN") : NULL;
    bool mine = id && strcmp(id, run->id) == 0;
    proc_free(&proc);
    return mine;
}

size_t run_count_alive(const struct run *run) {
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

void run_remove_torn(const char *folder, const char *name) {
    size_t length = strlen(name);
    if (length < 5 || strcmp(name + length - 5, ".part") != 0) return;
    char *path = memory_format("%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    /* Whoever writes it holds it locked, and lets go by its end at the latest. */
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) (void)unlink(path);
    if (fd >= 0) (void)close(fd);
    free(path);
}
