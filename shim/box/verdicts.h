/* Verdicts, for whoever writes a dump: found by the room above, while the writer waits. */
#ifndef WEIR_BOX_VERDICTS_H
#define WEIR_BOX_VERDICTS_H

#include "shim/base/base.h"
#include "shim/box/format.h"

struct verdicts {
    bool wanted, known; /* for this dump; it could be found out */
    uint32_t threads_not_held;
    uint64_t root_bytes, block_bytes;                         /* looked at */
    uint64_t time;                                            /* ns that it took */
    uint64_t pause;                                           /* ns that the program stood still; 0: it has ended */
    uint64_t apart;                                           /* ns since the look that it is compared with; 0: none */
    uint64_t blocks[DUMP_IN_USE + 1], bytes[DUMP_IN_USE + 1]; /* live ones by verdict, tracked or not */
};

#define VERDICTS_SAVED 512

/* In place of a dump's reason: a check of the program's own, which goes on. */
#define VERDICTS_OF_CHECK ((enum dump_reason)0)

struct contents;
struct verdicts_by {
    bool (*are_wanted)(enum dump_reason reason);
    /* Around the making of a copy of a program that goes on: its other threads are held, and let go of where the first
     * says so. `context`: of the signal whose handler this is. */
    bool (*hold)(void *context);
    void (*let_go)(void);
    /* `stack`: what is in use of the program's own stack on this thread lies from here on upwards; in the first
     * VERDICTS_SAVED bytes are the registers of its callers. */
    void (*begin)(struct verdicts *v, enum dump_reason reason, uintptr_t stack);
    enum dump_verdict (*of)(const void *block);    /* between the two, where it is known; so is what comes next */
    enum dump_verdict (*of_part)(uintptr_t start); /* the same of a pool's part, see pools.h */
    void (*write_paths)(struct contents *c);       /* DUMP_PATHS and DUMP_STEPS */
    void (*end)(struct verdicts *v);
};

/* NULL: nobody looks. */
extern const struct verdicts_by *dump_verdicts;

/* The dump that is asked for just now has verdicts whatever WEIR_LEAKS says. */
extern bool dump_search_anyway;

#endif
