/* A core (ELF, of a process that ran under libweir.so) made a dump of: the kernel's own, or gdb's. */
#ifndef WEIR_LOAD_CORE_CORE_H
#define WEIR_LOAD_CORE_CORE_H

#include <stdbool.h>
#include <stdint.h>

/* The file begins as a core does. */
bool core_is_one(int fd, uint64_t size);

/* A dump of it in a file that only the descriptor leads to, its size in *size; -1, and why. `written`: when it was, ns
 * since 1970; 0: not known. *missing: what the core
 * does not have, to be freed, NULL: nothing that is missed. */
int core_to_dump(int fd, uint64_t *size, uint64_t written, const char **why, char **missing);

#endif
