/* The one pass over a unit's DIEs. Debug information may be crafted: siblings that lead back, ranges without end,
 * nesting without end. So the number of DIEs and ranges is bounded by the unit's bytes, and the depth by a constant.
 * What lies beyond, or cannot be read, is left out and the unit is torn: it may have said what is inlined where. */
#include <dwarf.h>
#include <stdlib.h>

#include "reporter/load/memory.h"
#include "reporter/symbols/dies.h"
#include "reporter/symbols/dwarf.h"
#include "reporter/symbols/lookup.h"

#define MAX_DEPTH LOOKUP_MAX_CHAIN /* so that no chain is cut */

struct span { /* one range of one node, before sorting */
    uint64_t low, high;
    uint32_t depth, node;
};

struct walk {
    struct dwarf_unit *unit;
    const struct code *code;
    bool in_types; /* Rust puts functions into the types that they belong to */
    uint64_t budget;
    struct span *spans;
    size_t count, capacity;
};

static uint32_t number_of(Dwarf_Die *die, unsigned name) {
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &value) != 0) return 0;
    return value > UINT32_MAX ? 0 : (uint32_t)value;
}

static bool spend(struct walk *walk) {
    if (walk->budget) return walk->budget-- > 0;
    walk->unit->torn = true;
    return false;
}

static uint32_t add_node(struct walk *walk, Dwarf_Die *die, uint32_t parent, uint32_t depth) {
    struct dwarf_unit *unit = walk->unit;
    struct ranges ranges = ranges_of(&unit->ranges, die);
    enum ranges_step step = RANGES_END;
    uint64_t low = 0, high = 0;
    uint32_t node = NO_NODE;
    while (spend(walk) && (step = ranges_next(&ranges, &low, &high)) == RANGES_NEXT) {
        if (low >= high || !code_begins(walk->code, low)) continue;
        if (node == NO_NODE) {
            unit->nodes = memory_more(unit->nodes, &unit->node_capacity, unit->node_count + 1, sizeof *unit->nodes);
            node = (uint32_t)unit->node_count++;
            unit->nodes[node] = (struct dwarf_node){.die = dwarf_dieoffset(die), .parent = parent};
        }
        walk->spans = memory_more(walk->spans, &walk->capacity, walk->count + 1, sizeof *walk->spans);
        walk->spans[walk->count++] = (struct span){low, high, depth, node};
    }
    if (step == RANGES_FAILED) unit->torn = true;
    if (node != NO_NODE && parent != NO_NODE) {
        unit->nodes[node].call_file = number_of(die, DW_AT_call_file);
        unit->nodes[node].call_line = number_of(die, DW_AT_call_line);
    }
    return node;
}

static void walk_children(struct walk *walk, Dwarf_Die *parent, uint32_t node, uint32_t depth);

static void visit(struct walk *walk, Dwarf_Die *die, uint32_t node, uint32_t depth) {
    switch (dwarf_tag(die)) {
    case DW_TAG_subprogram:
    case DW_TAG_entry_point: {
        uint32_t function = add_node(walk, die, NO_NODE, depth);
        if (function != NO_NODE) walk_children(walk, die, function, depth); /* without code: only a declaration */
        return;
    }
    case DW_TAG_inlined_subroutine: {
        uint32_t inlined = node == NO_NODE ? NO_NODE : add_node(walk, die, node, depth);
        walk_children(walk, die, inlined == NO_NODE ? node : inlined, depth);
        return;
    }
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
    case DW_TAG_class_type:
        /* In a function also C++'s local ones: gcc puts the code of a lambda into its type. */
        if (walk->in_types || node != NO_NODE) walk_children(walk, die, NO_NODE, depth);
        return;
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
    case DW_TAG_with_stmt:
    case DW_TAG_namespace:
    case DW_TAG_module:
        walk_children(walk, die, node, depth);
        return;
    default:
        return;
    }
}

static void walk_children(struct walk *walk, Dwarf_Die *parent, uint32_t node, uint32_t depth) {
    Dwarf_Die die;
    int more = dwarf_child(parent, &die);
    if (depth >= MAX_DEPTH && more == 0) more = -1;
    for (; more == 0; more = dwarf_siblingof(&die, &die)) {
        if (!spend(walk)) return;
        visit(walk, &die, node, depth + 1);
    }
    if (more < 0) walk->unit->torn = true;
}

static int compare(const void *left, const void *right) {
    const struct span *a = left, *b = right;
    if (a->low != b->low) return a->low < b->low ? -1 : 1;
    if (a->depth != b->depth) return a->depth < b->depth ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

static void emit(struct dwarf_unit *unit, uint64_t low, uint64_t high, uint32_t node) {
    if (low >= high) return;
    unit->segments =
        memory_more(unit->segments, &unit->segment_capacity, unit->segment_count + 1, sizeof *unit->segments);
    unit->segments[unit->segment_count++] = (struct dwarf_segment){low, high, node};
}

/* Nested spans become neighbours: `open` holds those around the current address, the innermost on top, and each stretch
 * goes to the one on top. A span that sticks out of the one around it is clipped to it. */
static void flatten(struct walk *walk) {
    struct span *open = memory_get(walk->count, sizeof *open);
    size_t depth = 0;
    uint64_t at = 0;
    for (size_t i = 0; i <= walk->count; i++) {
        const struct span *next = i < walk->count ? &walk->spans[i] : NULL;
        while (depth && (!next || open[depth - 1].high <= next->low)) {
            emit(walk->unit, at, open[depth - 1].high, open[depth - 1].node);
            at = open[--depth].high;
        }
        if (!next) break;
        if (depth) emit(walk->unit, at, next->low, open[depth - 1].node);
        at = next->low;
        open[depth] = *next;
        if (depth && open[depth - 1].high < next->high) open[depth].high = open[depth - 1].high;
        depth++;
    }
    free(open);
}

void dwarf_walk(struct dwarf_unit *unit, const struct code *code) {
    struct walk walk = {.unit = unit, .code = code, .budget = 4 * unit->size};
    walk.in_types = die_language(&unit->body) == DW_LANG_Rust;
    unit->walked = true;
    walk_children(&walk, &unit->body, NO_NODE, 0);
    if (walk.count) qsort(walk.spans, walk.count, sizeof *walk.spans, compare);
    flatten(&walk);
    free(walk.spans);
}
