/* The perf map of a process that runs. Anybody may put anything where it should be. */
#ifndef WEIR_LOAD_PERFMAP_H
#define WEIR_LOAD_PERFMAP_H

#include "reporter/load/proc.h"
#include "shim/box/format.h"

struct perfmap {
    enum dump_jit_map state;
    int fd;        /* JIT_MAP_READ: it can be read; else -1 */
    uint64_t size; /* bytes */
    uint64_t time; /* when it was last written, ns of the real time */
    char path[40]; /* as the process calls it */
};

/* As the process sees it, in its own root. */
void perfmap_open(struct perfmap *map, const struct proc *proc);

#endif
