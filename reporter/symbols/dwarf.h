/* Functions, inlining and lines of one module's debug information, by address.
 *
 * Units are found by their address ranges, and each is walked once, when the first address in it is asked for: one
 * pass over its DIEs leaves a sorted list of address segments, each with the innermost function or inlined call that
 * covers it. After that an address costs two binary searches.
 */
#ifndef WEIR_SYMBOLS_DWARF_H
#define WEIR_SYMBOLS_DWARF_H

#include "reporter/symbols/code.h"
#include "reporter/symbols/files.h"
#include "reporter/symbols/lines.h"
#include "reporter/symbols/ranges.h"
#include "reporter/symbols/scopes.h"
#include "reporter/symbols/split.h"

#define NO_NODE UINT32_MAX

struct dwarf_node { /* a function, or one inlined into its parent */
    Dwarf_Off die;
    uint32_t parent; /* what it was inlined into; NO_NODE: it is a function */
    uint32_t call_file, call_line;
    bool named;
    const char *linked;     /* the linker's name, which is whole, or NULL; belongs to the Dwarf */
    const char *own;        /* name without what it lies in; belongs to the Dwarf */
    char *function, *brief; /* on first use */
};

struct dwarf_segment {
    uint64_t low, high;
    uint32_t node;
};

struct dwarf_unit {
    Dwarf_Die die;             /* the first entry; in split debug information the skeleton's */
    Dwarf_Die body;            /* whose children are the functions: the same, or the split file's */
    struct ranges_unit ranges; /* of the body */
    struct split *split;       /* where the body is a split file's */
    uint64_t size;             /* bytes of debug information: an upper bound of its DIEs */
    bool walked, prepared;
    bool alone; /* a line is known without a function: where none is told of, nothing is inlined */
    bool torn;  /* some of it could not be read, perhaps what is inlined where */
    char *why;  /* its functions are missing; NULL: they are not */
    struct dwarf_node *nodes;
    struct dwarf_segment *segments; /* sorted, not overlapping */
    size_t node_count, node_capacity, segment_count, segment_capacity;
    struct lines lines;
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
    struct bytes info, addr, range_list, rnglists; /* sections, decompressed */
    struct line_sections line_sections;
    struct splits splits;
    struct scopes *scopes;
    struct dwarf_unit *units;
    struct dwarf_range *ranges; /* sorted by low */
    size_t unit_count, unit_capacity, range_count, range_capacity;
    size_t missing; /* units that were asked for and whose functions are missing */
    char *why;      /* of them, or why there is nothing that can be used; NULL: nothing is known to be missing */
};

struct dwarf_answer {
    size_t count;    /* of frames */
    bool linked;     /* the outermost one's name is the linker's, which is whole */
    const char *own; /* else its own name, without what it lies in; NULL: it has none */
    const char *why; /* why there is no line; NULL: nothing special is known */
};

/* False: there is none that can be used; `why` of the index says more. It is to be closed in any case; what it is
 * opened with must outlive it. */
bool dwarf_index_open(struct dwarf_index *index, struct module_files *files, const struct symbol_options *options);
void dwarf_index_close(struct dwarf_index *index);

/* The chain of one address, innermost first, into frames (at most max). A line is given only with the function that it
 * is of: with the symbol table's function it could be the line of one inlined there. (Where nothing can be, a line
 * alone gives one frame without a name.) */
struct dwarf_answer dwarf_index_at(struct dwarf_index *index, uint64_t address, struct symbol_frame *frames,
                                   size_t max);

void dwarf_walk(struct dwarf_unit *unit, const struct code *code); /* walk.c */

#endif
