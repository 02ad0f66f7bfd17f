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
    uint64_t sites;                                           /* all that leaked, but for what is suppressed */
    uint64_t blocks;                                          /* of them */
    uint64_t suppressed, suppressed_blocks, suppressed_bytes; /* sites that the program's own list covers */
};

void leaks_add(struct leaks *l, uint32_t stack, uint64_t blocks, uint64_t bytes);

/* "1 block, 20 bytes". */
struct text;
void leaks_add_amount(struct text *t, uint64_t blocks, uint64_t bytes);

/* Whether anything has leaked that the program does not bear: where only some blocks were tracked, and none of a site
 * is known, that counts too. */
bool leaks_any(const struct leaks *l, const struct verdicts *v);

/* A check of the program's own (check.c) says what has leaked, if anything; what the one at the end says, once the dump
 * is there, unless such a check was to be the last one. */
void leaks_tell_check(const struct leaks *l, const struct verdicts *v);
void leaks_tell(const struct leaks *l, const struct verdicts *v, const char *dump);
void leaks_tell_no_more(void);

/* A check of what was made since a mark of that name. */
void leaks_tell_since(const struct leaks *l, const char *mark, size_t length);

#endif
