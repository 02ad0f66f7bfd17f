/* What /proc/self/maps says, line by line. Any process's, of which there may be a file. */
#ifndef WEIR_BASE_MAPPING_H
#define WEIR_BASE_MAPPING_H

#include "shim/base/base.h"

struct mapping {
    uintptr_t start, end;
    bool readable, writable, executable, shared;
    bool of_file;    /* has an inode: a file, shared memory, /dev/zero */
    uint64_t offset; /* bytes, of where it begins in that */
};

struct mapping_reader {
    long fd, at, end;
    bool failed; /* it could not be read to its end */
    char bytes[2048];
};

/* False: the file cannot be read, and there is nothing to close. */
bool mapping_open(struct mapping_reader *r);
bool mapping_open_of(struct mapping_reader *r, const char *path);

/* The next one, in the order of addresses; with `path`, that of its file, or the kernel's word for it ("[stack]"),
 * terminated, cut off at `size` bytes, and empty where it has none. False: that was the last. */
bool mapping_next(struct mapping_reader *r, struct mapping *m, char *path, size_t size);
void mapping_close(struct mapping_reader *r);

/* The path of the file that is mapped at the address. False: there is none, or it is not told. One thread at a time. */
bool mapping_path(uintptr_t address, char *path, size_t size);

#endif
