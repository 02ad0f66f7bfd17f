/* What limits a process's memory from outside: its cgroups, the machine, its resource limits. */
#ifndef WEIR_LOAD_LIMITS_H
#define WEIR_LOAD_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LIMIT_NONE UINT64_MAX

struct limit_group {
    char *path;         /* of the cgroup, as /proc/PID/cgroup has it */
    uint64_t max, high; /* bytes: the kernel kills above the one, and slows down above the other; or LIMIT_NONE */
    uint64_t now;       /* in use; LIMIT_NONE: it is not told */
};

struct limits {
    struct limit_group *groups; /* with a limit or a use, the process's own first; those above it that can be seen */
    size_t group_count, group_capacity;
    uint64_t machine, available;      /* bytes of memory */
    uint64_t commit_limit, committed; /* bytes, where overcommit is 2 */
    uint64_t overcommit;              /* vm.overcommit_memory: 0, 1 or 2 */
    uint64_t map_count;               /* vm.max_map_count */
    uint64_t address_space, data;     /* RLIMIT_AS, RLIMIT_DATA, bytes */
};

/* `root`: in front of all paths, "" but in tests; `process`: "self" or a number. What cannot be read is LIMIT_NONE. */
void limits_read(struct limits *limits, const char *root, const char *process);
void limits_free(struct limits *limits);

/* The least of what kills or refuses: what N% is of; 0: nothing is known. */
uint64_t limits_least(const struct limits *limits);

#endif
