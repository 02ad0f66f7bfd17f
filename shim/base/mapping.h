/* What /proc/self/maps says, line by line. */
#ifndef WEIR_BASE_MAPPING_H
#define WEIR_BASE_MAPPING_H

#include "shim/base/base.h"

struct mapping {
    uintptr_t start, end;
    bool writable, shared;
    bool of_file; /* has an inode: a file, shared memory, /dev/zero */
    bool is_brk;  /* [heap] */
};

/* Calls f for each mapping, in the order of addresses. False: the file cannot be read. */
bool mapping_each(void (*f)(const struct mapping *m, void *context), void *context);

#endif
