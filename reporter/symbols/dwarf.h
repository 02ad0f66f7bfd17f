/* Functions, inlining and lines of one module's debug information, by address.
 *
 * Units are found by their address ranges, and each is walked once, when the first address in it is asked for: one
 * pass over its DIEs leaves a sorted list of address segments, each with the innermost function or inlined call that
 * covers it. After that an address costs two binary searches.
 */
#ifndef WEIR_SYMBOLS_DWARF_H
#define WEIR_SYMBOLS_DWARF_H

#include "reporter/symbols/code.h"
#include "reporter/symbols/lines.h"
#include "reporter/symbols/object.h"

#define NO_NODE UINT32_MAX

struct dwarf_node { /* a function, or one inlined into its parent */
    Dwarf_Off die;
    uint32_t parent; /* what it was inlined into; NO_NODE: it is a function */
    uint32_t call_file, call_line;
    bool named;
    char *function, *brief; /* on first use */
};

struct dwarf_segment {
    uint64_t low, high;
    uint32_t node;
};

struct dwarf_unit {
    Dwarf_Die die;
    uint64_t size; /* bytes of debug information: an upper bound of its DIEs */
    bool walked;
    struct dwarf_node *nodes;
    struct dwarf_segment *segments; /* sorted, not overlapping */
    size_t node_count, node_capacity, segment_count, segment_capacity;
    struct lines lines;
    Dwarf_Files *files;
    const char *folder;
};

struct dwarf_range {
    uint64_t low, high;
    uint32_t unit;
};

struct dwarf_index {
    Dwarf *dwarf, *alt_dwarf;
    struct object alt;
    struct code code;
    const void *line_section; /* .debug_line, as libdw has decompressed it */
    size_t line_bytes;
    struct dwarf_unit *units;
    struct dwarf_range *ranges; /* sorted by low */
    size_t unit_count, unit_capacity, range_count, range_capacity;
};

/* False: there is none that can be used. */
bool dwarf_index_open(struct dwarf_index *index, const struct object *object, const struct symbol_options *options);
void dwarf_index_close(struct dwarf_index *index);

/* The chain of one address, innermost first, into frames (at most max); returns their number. Without a function, a
 * line alone gives one frame without a name. */
size_t dwarf_index_at(struct dwarf_index *index, uint64_t address, struct symbol_frame *frames, size_t max);

void dwarf_walk(struct dwarf_unit *unit, const struct code *code); /* walk.c */

#endif
