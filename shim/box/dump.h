/* A dump's contents, from what lies in memory to a file. Takes no lock and allocates only by mmap, so it may run in a
 * copy of the process that was taken at any instant, or at exit beside threads that still run. */
#ifndef WEIR_BOX_DUMP_H
#define WEIR_BOX_DUMP_H

#include "shim/box/format.h"
#include "shim/box/output.h"

/* Copies what a program may overwrite later: its command line. */
void dump_start(void);

/* Counts a dump that a copy of this process will write; dump_write itself does not count. */
void dump_count(void);

/* Writes a dump of process `pid` and puts its path into `path`. 0, or a negative errno after one line on standard
 * error (once a process). */
long dump_write(enum dump_reason reason, uint32_t exit_status, uint32_t pid, char path[OUTPUT_PATH_MAX]);

/* Takes a dump back that turned out to be none: the exec that it was for failed. */
void dump_discard(const char *path);

#endif
