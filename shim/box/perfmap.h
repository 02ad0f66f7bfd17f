/* Which lines of a perf map name the addresses that are asked for. A runtime that makes code writes such a map (perf's
 * own name for it) to /tmp: a line a piece of code. It may be any file: nothing is kept of it but where a line begins,
 * at most one an address, and the work is bounded. No system call is made here. */
#ifndef WEIR_BOX_PERFMAP_H
#define WEIR_BOX_PERFMAP_H

#include "shim/base/base.h"

struct perfmap_address {
    uint64_t address;
    uint64_t line; /* where in the file the last line begins that covers it, plus one; 0: none does */
    uint64_t hash; /* of that line's name */
    bool reused;   /* another name stood there before */
};

struct perfmap {
    struct perfmap_address *addresses; /* sorted, each once */
    size_t count;
    uint64_t work; /* hits so far */
    bool skipping; /* the rest of a line that is longer than any is taken */
};

#define PERFMAP_LINE_MOST (16 * KIB)
#define PERFMAP_WORK_MOST ((uint64_t)16 << 20)

/* Sorts, and drops what is there twice. */
void perfmap_begin(struct perfmap *m);

/* Takes the whole lines from bytes of the file that begin at `offset` there; how many bytes that were, all where no
 * line ends in PERFMAP_LINE_MOST of them. What is left is to be given again, with more behind it: without, it is no
 * line, for somebody may be writing it. */
size_t perfmap_take(struct perfmap *m, const char *bytes, size_t n, uint64_t offset);

/* More hits than PERFMAP_WORK_MOST: what is known by now is not all. */
bool perfmap_is_exhausted(const struct perfmap *m);

/* Brings them into the order of lines; those without one come first. */
void perfmap_by_line(struct perfmap *m);

/* A name's length: without the carriage return of some, and not too long. */
size_t perfmap_name_length(const char *name, const char *end);

#endif
