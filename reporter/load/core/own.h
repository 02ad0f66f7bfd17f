/* Whose memory an address is, by weir's tables in a core: weir's own, or what the program has mapped by calls of
 * libc's. */
#ifndef WEIR_LOAD_CORE_OWN_H
#define WEIR_LOAD_CORE_OWN_H

#include "reporter/load/core/mapped.h"
#include "reporter/load/core/making.h"

#define OWN_RANGES 64u

struct own {
    struct {
        uint64_t start, end;
    } ranges[OWN_RANGES + 1]; /* weir's, its library among them */
    size_t count;
    struct core_pages pages;
};

void own_read(struct making *m, struct own *own);

/* The end of the first part of [from, end) that is weir's, or is not. */
uint64_t own_part(const struct own *own, uint64_t from, uint64_t end, bool *weirs);

/* Whether the program has mapped the page itself, as that. */
bool own_page(const struct own *own, struct mapped *memory, uint64_t address, enum core_pages_plane plane);

/* Calls `see` for each stretch of such pages. */
void own_pages(const struct own *own, struct mapped *memory, enum core_pages_plane plane,
               void (*see)(void *context, uint64_t from, uint64_t end), void *context);

#endif
