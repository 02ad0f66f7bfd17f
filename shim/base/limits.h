/* How much memory there is to be had: the machine's, or less where a cgroup says so. */
#ifndef WEIR_BASE_LIMITS_H
#define WEIR_BASE_LIMITS_H

#include "shim/base/base.h"

/* Bytes: the least of the machine's memory (MemTotal) and the memory limits of the process's own cgroup and all above
 * it that can be seen (memory.max of version 2, memory.limit_in_bytes of version 1). 0: nothing could be read. `root`
 * stands before every path, "" but for tests. One thread at a time. */
uint64_t limits_memory(const char *root);

#endif
