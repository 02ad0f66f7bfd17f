/* What a word of a core's memory is that leads to a block: as shim/scan/whose.h tells it of a process. */
#ifndef WEIR_LOAD_CORE_WHOSE_H
#define WEIR_LOAD_CORE_WHOSE_H

#include "reporter/load/core/making.h"

struct whose {
    enum dump_root kind;
    bool exact;       /* `place` is where a function was interrupted */
    uint32_t thread;  /* 0: not known, or of no thread */
    uint64_t place;   /* as in struct dump_path */
    const char *name; /* of the file that is mapped there, where that is all that is known; NULL: none */
};

/* `from` as places have it. When stacks have been followed. */
struct whose whose_is(struct making *m, uint64_t from);

#endif
