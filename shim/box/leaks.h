/* What a process that ends by itself has leaked, on standard error: where the user asked for the search (WEIR_LEAKS)
 * and no `weir run` will sum up. */
#ifndef WEIR_BOX_LEAKS_H
#define WEIR_BOX_LEAKS_H

#include "shim/base/base.h"
#include "shim/box/verdicts.h"

/* The largest of the sites seen so far, largest first. */
#define LEAKS_SHOWN 10
struct leaks {
    struct leak {
        uint64_t bytes, blocks; /* leaked, of tracked blocks */
        uint32_t stack;
    } site[LEAKS_SHOWN];
    uint32_t shown;
    uint64_t sites; /* all that leaked */
};

void leaks_add(struct leaks *l, uint32_t stack, uint64_t blocks, uint64_t bytes);

/* Once the dump is there. */
void leaks_tell(const struct leaks *l, const struct verdicts *v, const char *dump);

#endif
