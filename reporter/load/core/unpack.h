/* Cores as systemd-coredump keeps them: packed by zstd or lz4. */
#ifndef WEIR_LOAD_CORE_UNPACK_H
#define WEIR_LOAD_CORE_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

/* The file begins as what these have packed does. */
bool core_is_packed(int fd, uint64_t size);

/* What it holds, in a file without a name in TMPDIR, else /var/tmp; pages of zeros are holes in it. The descriptor, and
 * the size; -1, and why: it is no core, damaged, or there is no room for it. `partial`: it is cut short or damaged, as
 * `why` says, but what there is of it begins as a core. */
int core_unpack(int fd, uint64_t *size, const char **why, bool *partial);

#endif
