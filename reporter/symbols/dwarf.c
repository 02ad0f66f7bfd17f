/* Asking debug information for an address; see dwarf.h for how it is kept. */
#include "reporter/symbols/dwarf.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/load/search.h"
#include "reporter/symbols/demangle.h"
#include "reporter/symbols/dies.h"

static const char cannot_be_read[] = "its debug information cannot be read";

static void add_range(struct dwarf_index *index, uint64_t low, uint64_t high) {
    if (low >= high || !code_begins(&index->code, low)) return;
    index->ranges = memory_more(index->ranges, &index->range_capacity, index->range_count + 1, sizeof *index->ranges);
    index->ranges[index->range_count++] = (struct dwarf_range){low, high, (uint32_t)index->unit_count - 1};
}

/* The ranges of an entry of this file's own sections. */
static struct ranges_unit describe(const struct dwarf_index *index, Dwarf_Die *first) {
    struct ranges_unit unit = {.info = index->info, .addresses = index->addr};
    Dwarf_Half version = 0;
    (void)dwarf_cu_info(first->cu, &version, NULL, NULL, NULL, NULL, NULL, NULL);
    unit.lists = version < 5 ? index->range_list : index->rnglists;
    ranges_describe(&unit, first);
    return unit;
}

static void add_unit(struct dwarf_index *index, Dwarf_Die *die, uint64_t size, uint64_t *budget) {
    uint64_t low = 0, high = 0;
    size_t before = index->range_count;
    index->units = memory_more(index->units, &index->unit_capacity, index->unit_count + 1, sizeof *index->units);
    struct dwarf_unit *unit = &index->units[index->unit_count++];
    *unit = (struct dwarf_unit){.die = *die, .body = *die, .ranges = describe(index, die), .size = size};
    struct ranges ranges = ranges_of(&unit->ranges, die);
    for (; *budget && ranges_next(&ranges, &low, &high) == RANGES_NEXT; --*budget) add_range(index, low, high);
    if (index->range_count > before || split_is_skeleton(die)) return;
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

/* libdw would open the dwz file by the name it finds, whatever that is: it must be given one, or kept from it. */
static char *open_alt(struct dwarf_index *index, const struct object *object, const struct symbol_options *options) {
    const char *why = NULL;
    char *missing = files_find_alt(&index->alt, index->dwarf, object, options);
    if (missing || !index->alt.elf) return missing;
    if (!object_unpack(&index->alt, &why)) return memory_format("the dwz file's debug information cannot be read");
    index->alt_dwarf = dwarf_begin_elf(index->alt.elf, DWARF_C_READ, NULL);
    if (!index->alt_dwarf || object_unread(&index->alt) || !object_texts_end(&index->alt))
        return memory_format("the dwz file's debug information cannot be read");
    dwarf_setalt(index->dwarf, index->alt_dwarf);
    return NULL;
}

/* Sections that libdw has decompressed by now. */
static void find_sections(struct dwarf_index *index, const struct object *object) {
    index->info = object_debug(object, "info");
    index->line_sections.line = object_debug(object, "line");
    index->line_sections.line_str = object_debug(object, "line_str");
    index->line_sections.str = object_debug(object, "str");
    index->addr = object_debug(object, "addr");
    index->range_list = object_debug(object, "ranges");
    index->rnglists = object_debug(object, "rnglists");
}

static char *open_dwarf(struct dwarf_index *index, struct object *object, const struct symbol_options *options) {
    const char *why = NULL;
    if (!object_unpack(object, &why)) return memory_format("%s", why);
    index->dwarf = dwarf_begin_elf(object->elf, DWARF_C_READ, NULL);
    why = object_unread(object);
    if (why) return memory_format("%s", why);
    if (!index->dwarf || !object_texts_end(object)) return memory_format("%s", cannot_be_read);
    char *missing = open_alt(index, object, options);
    if (missing) return missing;
    find_sections(index, object);
    code_read(&index->code, object->elf);
    read_units(index);
    return index->range_count ? NULL : memory_format("%s", cannot_be_read);
}

bool dwarf_index_open(struct dwarf_index *index, struct module_files *files, const struct symbol_options *options) {
    *index = (struct dwarf_index){.alt.fd = -1};
    index->splits = (struct splits){.files = files, .options = options, .package.fd = -1};
    struct object *object = files_debug(files);
    bool has_any = object_has(object, ".debug_info") || object_has(object, ".zdebug_info");
    if (object->elf && has_any) index->why = open_dwarf(index, object, options);
    return object->elf && has_any && !index->why;
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
        if (index->units[i].split) split_close(index->units[i].split);
        free(index->units[i].split);
        free(index->units[i].why);
    }
    free(index->units);
    free(index->ranges);
    free(index->why);
    code_free(&index->code);
    scopes_free(index->scopes);
    splits_close(&index->splits);
    if (index->dwarf) (void)dwarf_end(index->dwarf);
    if (index->alt_dwarf) (void)dwarf_end(index->alt_dwarf);
    object_close(&index->alt);
    *index = (struct dwarf_index){.alt.fd = -1};
}

static void note_missing(struct dwarf_index *index, const char *why) {
    free(index->why);
    index->missing++;
    index->why = index->missing == 1 ? memory_format("%s", why)
                                     : memory_format("%s, and %zu more like it", why, index->missing - 1);
}

/* Where the split file is not to be had, the skeleton may still tell what is inlined (clang -fsplit-dwarf-inlining). */
static void open_split(struct dwarf_index *index, struct dwarf_unit *unit) {
    struct split *split = memory_get(1, sizeof *split);
    unit->why = split_open(split, &index->splits, &unit->die, &unit->ranges);
    if (unit->why) {
        note_missing(index, unit->why);
        free(split);
        return;
    }
    unit->split = split;
    unit->body = split->die;
    unit->size = split->size;
    unit->ranges = split->ranges;
}

/* Assembly has no inlined calls. LLVM leaves functions without any out where only lines are wanted (-g1), also of a
 * skeleton that tells of the others. */
static bool is_alone(const struct dwarf_unit *unit) {
    Dwarf_Die die = unit->body;
    if (die_language(&die) == DW_LANG_Mips_Assembler) return true;
    if (unit->why && !dwarf_haschildren(&die)) return false;
    const char *producer = die_text(&die, DW_AT_producer);
    return producer ? strstr(producer, "clang") || strstr(producer, "LLVM") : unit->why != NULL;
}

static void prepare(struct dwarf_index *index, struct dwarf_unit *unit) {
    Dwarf_Attribute attribute;
    Dwarf_Word offset = 0;
    if (unit->prepared) return;
    unit->prepared = true;
    if (split_is_skeleton(&unit->die)) open_split(index, unit);
    if (!unit->walked) dwarf_walk(unit, &index->code);
    if (unit->torn) note_missing(index, cannot_be_read);
    unit->alone = is_alone(unit);
    unit->folder = die_text(&unit->die, DW_AT_comp_dir);
    if (dwarf_formudata(dwarf_attr(&unit->die, DW_AT_stmt_list, &attribute), &offset) == 0)
        lines_read(&unit->lines, &index->code, &index->line_sections, offset, unit->folder);
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

static void line_at(struct dwarf_unit *unit, uint64_t address, struct symbol_frame *frame) {
    const struct line_row *row = lines_at(&unit->lines, address);
    if (!row) return;
    frame->file = line_files_path(&unit->lines.files, row->file);
    frame->line = frame->file ? row->line : 0;
}

static bool has_scopes(Dwarf_Die *die) {
    switch (die_language(die)) {
    case DW_LANG_C_plus_plus:
    case DW_LANG_C_plus_plus_03:
    case DW_LANG_C_plus_plus_11:
    case DW_LANG_C_plus_plus_14:
    case 0x2b: /* DW_LANG_C_plus_plus_17, _20 */
    case 0x2c:
    case DW_LANG_ObjC_plus_plus:
        return true;
    default:
        return false;
    }
}

static void name_node(struct dwarf_index *index, struct dwarf_unit *unit, struct dwarf_node *node) {
    Dwarf_Die die;
    const char *name = NULL;
    if (node->named) return;
    node->named = true;
    if (!dwarf_offdie(unit->split ? unit->split->dwarf : index->dwarf, node->die, &die)) return;
    name = die_text_or_origins(&die, DW_AT_linkage_name);
    if (!name) name = die_text_or_origins(&die, DW_AT_MIPS_linkage_name);
    node->linked = name;
    node->own = die_text_or_origins(&die, DW_AT_name);
    if (!name && has_scopes(&unit->body)) {
        node->function = scopes_name(&index->scopes, &die);
        node->brief = node->function ? memory_format("%s", node->function) : NULL;
        return;
    }
    if (!name) name = node->own;
    if (!name) return;
    node->function = demangle(name, false);
    node->brief = demangle(name, true);
}

static struct dwarf_answer chain_in(struct dwarf_index *index, struct dwarf_unit *unit, uint64_t address,
                                    struct symbol_frame *frames, size_t max) {
    struct symbol_frame frame = {.folder = unit->folder};
    struct dwarf_answer answer = {.why = unit->why};
    const struct dwarf_segment *segment = segment_at(unit, address);
    uint32_t at = segment ? segment->node : NO_NODE;
    if (unit->torn)
        answer.why = cannot_be_read;
    else if (segment || unit->alone)
        line_at(unit, address, &frame);
    for (; at != NO_NODE && answer.count < max; answer.count++) {
        struct dwarf_node *node = &unit->nodes[at];
        name_node(index, unit, node);
        answer.linked = node->linked != NULL;
        answer.own = node->own;
        frame.function = node->function;
        frame.brief = node->brief;
        frame.linked = node->linked;
        frame.inlined = node->parent != NO_NODE;
        frames[answer.count] = frame;
        frame = (struct symbol_frame){.folder = unit->folder, .line = node->call_line};
        frame.file = line_files_path(&unit->lines.files, node->call_file);
        if (!frame.file) frame.line = 0;
        at = node->parent;
    }
    if (answer.count || !frame.file || !max) return answer;
    frames[0] = frame;
    answer.count = 1;
    return answer;
}

/* Ranges of units do not overlap in honest files; in others a few candidates are tried, not all. */
struct dwarf_answer dwarf_index_at(struct dwarf_index *index, uint64_t address, struct symbol_frame *frames,
                                   size_t max) {
    struct dwarf_answer best = {0};
    size_t low = search_upto(index->ranges, index->range_count, sizeof *index->ranges, address);
    for (int tries = 0; low > 0 && tries < 16 && !best.count; tries++) {
        const struct dwarf_range *range = &index->ranges[--low];
        if (address >= range->high) continue;
        struct dwarf_unit *unit = &index->units[range->unit];
        prepare(index, unit);
        struct dwarf_answer answer = chain_in(index, unit, address, frames, max);
        if (answer.count || !best.why) best = answer;
    }
    return best;
}
