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
    uint64_t blocks[DUMP_IN_USE + 1], bytes[DUMP_IN_USE + 1]; /* live ones by verdict, tracked or not */
};

/* In place of a dump's reason: a check of the program's own, which goes on. `verdicts_unseen` threads run meanwhile, or
 * did where this is a copy: what they alone know of is not seen. */
#define VERDICTS_OF_CHECK ((enum dump_reason)0)
extern uint32_t verdicts_unseen;

struct verdicts_by {
    bool (*are_wanted)(enum dump_reason reason);
    /* `stack`: what is in use of the program's own stack on this thread lies from here on upwards. */
    void (*begin)(struct verdicts *v, enum dump_reason reason, uintptr_t stack);
    enum dump_verdict (*of)(const void *block);    /* between the two, where it is known */
    enum dump_verdict (*of_part)(uintptr_t start); /* the same of a pool's part, see pools.h */
    void (*end)(struct verdicts *v);
};

/* NULL: nobody looks. */
extern const struct verdicts_by *dump_verdicts;

#endif
