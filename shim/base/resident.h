/* How much of a process's memory is resident, by address: /proc/PID/pagemap, eight bytes a page. */
#ifndef WEIR_BASE_RESIDENT_H
#define WEIR_BASE_RESIDENT_H

#include "shim/base/base.h"

#define RESIDENT_PAGES 512

/* What is asked for in the order of addresses is read once. */
struct resident_reader {
    long fd;
    uintptr_t from; /* of what `pages` holds, bytes */
    size_t count;   /* of them */
    size_t unsure;  /* bytes seen so far that may be the kernel's page of zeros, which counts for nobody: they were only
                       read. A relative by fork may have such pages too, with memory behind them. */
    uint64_t pages[RESIDENT_PAGES];
};

/* False: the file cannot be read, and there is nothing to close. */
bool resident_open(struct resident_reader *r, const char *path);

/* Bytes of [from, from + n) that are resident, in whole pages: both are rounded to their pages. */
size_t resident_bytes(struct resident_reader *r, uintptr_t from, size_t n);
/* Whether the page has something of its own, in memory or in swap. */
bool resident_is_kept(struct resident_reader *r, uintptr_t at);
/* The same, of a private mapping of a file: not the file's own page. */
bool resident_is_own(struct resident_reader *r, uintptr_t at);
void resident_close(struct resident_reader *r);

#endif
