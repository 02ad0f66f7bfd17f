/* See perfmap.h. */
#include "reporter/load/perfmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECOND 1000000000ull

/* Times of files are some ms behind, or whole seconds. */
static uint64_t last_written(const struct stat *status) {
    uint64_t ns = (uint64_t)status->st_mtim.tv_nsec;
    return (uint64_t)status->st_mtim.tv_sec * SECOND + (ns ? ns : SECOND - 1);
}

static enum dump_jit_map judge(struct perfmap *map, const struct proc *proc, const char *name) {
    struct stat status;
    int folder = proc_open_folder(proc->pid, "/tmp");
    if (folder < 0) return errno == ENOENT ? JIT_MAP_NONE : JIT_MAP_FAILED;
    map->fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int error = errno;
    (void)close(folder);
    if (map->fd < 0) return error == ENOENT ? JIT_MAP_NONE : error == ELOOP ? JIT_MAP_FOREIGN : JIT_MAP_FAILED;
    if (fstat(map->fd, &status) != 0) return JIT_MAP_FAILED;
    if (!S_ISREG(status.st_mode) || (status.st_uid != 0 && status.st_uid != proc->uid)) return JIT_MAP_FOREIGN;
    map->size = (uint64_t)status.st_size;
    map->time = last_written(&status);
    if (map->time + DUMP_JIT_MAP_BEHIND < proc_started(proc->pid)) return JIT_MAP_OLD;
    return map->size > DUMP_JIT_MAP_MOST ? JIT_MAP_LARGE : JIT_MAP_READ;
}

void perfmap_open(struct perfmap *map, const struct proc *proc) {
    *map = (struct perfmap){.fd = -1};
    (void)snprintf(map->path, sizeof map->path, "/tmp/perf-%u.map", proc->inner_pid);
    map->state = judge(map, proc, map->path + sizeof "/tmp/" - 1);
    if (map->state == JIT_MAP_READ || map->fd < 0) return;
    (void)close(map->fd);
    map->fd = -1;
}
