/* Files and folders that are read by weir's own system calls, such as the kernel's below /proc. */
#ifndef WEIR_BASE_FILES_H
#define WEIR_BASE_FILES_H

#include "shim/base/base.h"

/* Reads the first size - 1 bytes, or all that there are, and terminates them. Their number; below 0: what was wrong. */
long file_read(const char *path, char *to, size_t size);

/* Calls see for each name in the folder, "." and ".." among them. False: it could not be read to its end. */
bool folder_each(const char *path, void (*see)(void *context, const char *name), void *context);

/* What stands behind `name` in the first line that begins with it; NULL: there is none. */
const char *line_after(const char *text, const char *name);

#endif
