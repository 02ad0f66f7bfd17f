/* The addresses that an entry of debug information covers.
 *
 * Read here, not by libdw: a split unit's ranges lie in one file, the addresses that they count from in another, and
 * libdw joins the two only where it has opened both by itself. What cannot be read is told from what is not there.
 */
#ifndef WEIR_SYMBOLS_RANGES_H
#define WEIR_SYMBOLS_RANGES_H

#include <elfutils/libdw.h>

#include "reporter/symbols/cursor.h"
#include "reporter/symbols/object.h"

struct ranges_unit { /* what the ranges of one unit's entries refer to */
    unsigned version, offset_size;
    bool bad;               /* its addresses have another size than 8 bytes */
    uint64_t base;          /* address of the unit */
    struct bytes info;      /* .debug_info, in which its entries lie */
    struct bytes addresses; /* .debug_addr from where the unit's begin */
    struct bytes lists;     /* .debug_ranges, from DWARF 5 on .debug_rnglists */
    uint64_t lists_base;    /* of DW_FORM_rnglistx; before DWARF 5, what offsets count from */
};

struct ranges { /* of one entry, in reading */
    const struct ranges_unit *unit;
    struct cursor list;
    uint64_t base, low, high;
    enum { RANGES_NONE, RANGES_ONE, RANGES_LIST, RANGES_BAD } kind;
};

enum ranges_step { RANGES_END, RANGES_NEXT, RANGES_FAILED };

/* Fills what the unit's own first entry says; `info`, `addresses` and `lists` are whole sections and must be there. */
void ranges_describe(struct ranges_unit *unit, Dwarf_Die *first);

struct ranges ranges_of(const struct ranges_unit *unit, Dwarf_Die *die);
enum ranges_step ranges_next(struct ranges *ranges, uint64_t *low, uint64_t *high);

#endif
