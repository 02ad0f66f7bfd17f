/* Opening and reading files whose names come from a user or from a dump: only regular files, never one that can block
 * (a FIFO, a device), never through a mapping (a file that shrinks under a mapping is a SIGBUS). */
#ifndef WEIR_LOAD_FILE_H
#define WEIR_LOAD_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int file_open(const char *path, uint64_t *size, const char **why); /* -1 and why */
const char *file_base(const char *path);                           /* behind its last slash, or all of it */
bool file_read(int fd, void *to, size_t length, uint64_t offset);  /* all of it, or false */

#endif
