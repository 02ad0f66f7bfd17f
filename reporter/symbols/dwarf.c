/* Asking debug information for an address; see dwarf.h for how it is kept. */
#include "reporter/symbols/dwarf.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/symbols/demangle.h"

static void add_range(struct dwarf_index *index, uint64_t low, uint64_t high) {
    if (low >= high || !code_begins(&index->code, low)) return;
    index->ranges = memory_more(index->ranges, &index->range_capacity, index->range_count + 1, sizeof *index->ranges);
    index->ranges[index->range_count++] = (struct dwarf_range){low, high, (uint32_t)index->unit_count - 1};
}

static void add_unit(struct dwarf_index *index, Dwarf_Die *die, uint64_t size, uint64_t *budget) {
    Dwarf_Addr base = 0, low = 0, high = 0;
    size_t before = index->range_count;
    index->units = memory_more(index->units, &index->unit_capacity, index->unit_count + 1, sizeof *index->units);
    struct dwarf_unit *unit = &index->units[index->unit_count++];
    *unit = (struct dwarf_unit){.die = *die, .size = size};
    for (ptrdiff_t at = 0; *budget && (at = dwarf_ranges(die, at, &base, &low, &high)) > 0; --*budget)
        add_range(index, low, high);
    if (index->range_count > before) return;
    dwarf_walk(unit, &index->code); /* a unit that does not say where its code is: its functions do */
    for (size_t i = 0; i < unit->segment_count; i++) add_range(index, unit->segments[i].low, unit->segments[i].high);
}

static int compare(const void *left, const void *right) {
    const struct dwarf_range *a = left, *b = right;
    if (a->low != b->low) return a->low < b->low ? -1 : 1;
    return a->unit < b->unit ? -1 : a->unit > b->unit;
}

/* By offsets, not by dwarf_get_units: that would go and open split files by the names they are given. */
static void read_units(struct dwarf_index *index) {
    Dwarf_Off at = 0, next = 0;
    size_t header = 0;
    uint64_t budget = 1u << 24; /* ranges of all units */
    while (dwarf_next_unit(index->dwarf, at, &next, &header, NULL, NULL, NULL, NULL, NULL, NULL) == 0 && next > at) {
        Dwarf_Die die;
        if (dwarf_offdie(index->dwarf, at + header, &die)) {
            int tag = dwarf_tag(&die);
            if (tag == DW_TAG_compile_unit || tag == DW_TAG_skeleton_unit) add_unit(index, &die, next - at, &budget);
        }
        at = next;
    }
    if (index->range_count) qsort(index->ranges, index->range_count, sizeof *index->ranges, compare);
}

bool dwarf_index_open(struct dwarf_index *index, const struct object *object, const struct symbol_options *options) {
    *index = (struct dwarf_index){.alt.fd = -1};
    index->dwarf = dwarf_begin_elf(object->elf, DWARF_C_READ, NULL);
    if (!index->dwarf) return false;
    code_read(&index->code, object->elf);
    index->line_section = object_section(object, ".debug_line", &index->line_bytes);
    if (!index->line_section) index->line_section = object_section(object, ".zdebug_line", &index->line_bytes);
    /* libdw would open the dwz file by the name it finds, whatever that is: it must be given one, or kept from it. */
    bool whole = object_find_alt(&index->alt, index->dwarf, object, options);
    if (whole && index->alt.elf) {
        index->alt_dwarf = dwarf_begin_elf(index->alt.elf, DWARF_C_READ, NULL);
        whole = index->alt_dwarf != NULL;
        if (whole) dwarf_setalt(index->dwarf, index->alt_dwarf);
    }
    if (whole) read_units(index);
    if (whole && index->range_count) return true;
    dwarf_index_close(index);
    return false;
}

void dwarf_index_close(struct dwarf_index *index) {
    for (size_t i = 0; i < index->unit_count; i++) {
        for (size_t j = 0; j < index->units[i].node_count; j++) {
            free(index->units[i].nodes[j].function);
            free(index->units[i].nodes[j].brief);
        }
        free(index->units[i].nodes);
        free(index->units[i].segments);
        lines_free(&index->units[i].lines);
    }
    free(index->units);
    free(index->ranges);
    code_free(&index->code);
    if (index->dwarf) (void)dwarf_end(index->dwarf);
    if (index->alt_dwarf) (void)dwarf_end(index->alt_dwarf);
    object_close(&index->alt);
    *index = (struct dwarf_index){.alt.fd = -1};
}

static void prepare(struct dwarf_index *index, struct dwarf_unit *unit) {
    Dwarf_Attribute attribute;
    Dwarf_Word offset = 0;
    size_t count = 0;
    if (!unit->walked) dwarf_walk(unit, &index->code);
    if (unit->files) return;
    if (dwarf_getsrcfiles(&unit->die, &unit->files, &count) != 0) unit->files = NULL;
    if (unit->files && dwarf_formudata(dwarf_attr(&unit->die, DW_AT_stmt_list, &attribute), &offset) == 0)
        lines_read(&unit->lines, &index->code, index->line_section, index->line_bytes, offset);
    unit->folder = dwarf_formstring(dwarf_attr(&unit->die, DW_AT_comp_dir, &attribute));
}

static const struct dwarf_segment *segment_at(const struct dwarf_unit *unit, uint64_t address) {
    size_t low = 0, high = unit->segment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (unit->segments[middle].high <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < unit->segment_count && unit->segments[low].low <= address ? &unit->segments[low] : NULL;
}

static void line_at(const struct dwarf_unit *unit, uint64_t address, struct symbol_frame *frame) {
    const struct line_row *row = lines_at(&unit->lines, address);
    if (!row) return;
    frame->file = dwarf_filesrc(unit->files, row->file, NULL, NULL);
    frame->line = frame->file ? row->line : 0;
}

static void name_node(struct dwarf_index *index, struct dwarf_node *node) {
    Dwarf_Die die;
    Dwarf_Attribute attribute;
    const char *mangled = NULL;
    if (node->named) return;
    node->named = true;
    if (!dwarf_offdie(index->dwarf, node->die, &die)) return;
    mangled = dwarf_formstring(dwarf_attr_integrate(&die, DW_AT_linkage_name, &attribute));
    if (!mangled) mangled = dwarf_formstring(dwarf_attr_integrate(&die, DW_AT_MIPS_linkage_name, &attribute));
    if (!mangled) mangled = dwarf_formstring(dwarf_attr_integrate(&die, DW_AT_name, &attribute));
    if (!mangled) return;
    node->function = demangle(mangled, false);
    node->brief = demangle(mangled, true);
}

static size_t chain_in(struct dwarf_index *index, struct dwarf_unit *unit, uint64_t address,
                       struct symbol_frame *frames, size_t max) {
    struct symbol_frame frame = {.folder = unit->folder};
    size_t count = 0;
    line_at(unit, address, &frame);
    const struct dwarf_segment *segment = segment_at(unit, address);
    uint32_t at = segment ? segment->node : NO_NODE;
    for (; at != NO_NODE && count < max; count++) {
        struct dwarf_node *node = &unit->nodes[at];
        name_node(index, node);
        frame.function = node->function;
        frame.brief = node->brief;
        frame.inlined = node->parent != NO_NODE;
        frames[count] = frame;
        frame = (struct symbol_frame){.folder = unit->folder, .line = node->call_line};
        if (unit->files) frame.file = dwarf_filesrc(unit->files, node->call_file, NULL, NULL);
        at = node->parent;
    }
    if (count || !frame.file || !max) return count;
    frames[0] = frame;
    return 1;
}

/* Ranges of units do not overlap in honest files; in others a few candidates are tried, not all. */
size_t dwarf_index_at(struct dwarf_index *index, uint64_t address, struct symbol_frame *frames, size_t max) {
    size_t low = 0, high = index->range_count, best = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->ranges[middle].low <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (int tries = 0; low > 0 && tries < 16 && !best; tries++) {
        const struct dwarf_range *range = &index->ranges[--low];
        if (address >= range->high) continue;
        struct dwarf_unit *unit = &index->units[range->unit];
        prepare(index, unit);
        best = chain_in(index, unit, address, frames, max);
    }
    return best;
}
