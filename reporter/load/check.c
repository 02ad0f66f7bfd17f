/* Holding a dump's records against each other, so that nobody after this room checks an index again. The first record
 * that is wrong drops its section whole: a file that lies once is not to be believed in part. */
#include "reporter/load/dump.h"

/* An index into a section that was lost cannot be judged; one into a section that is there must be in it. A section
 * that a whole dump does not have is an empty one. */
static bool was_lost(const struct dump *dump, uint32_t type) {
    return !dump_has(dump, type) && (dump->cut || dump->sections[type].state == SECTION_DROPPED);
}

static bool index_fits(const struct dump *dump, uint32_t type, uint64_t index) {
    return was_lost(dump, type) || index < dump_count(dump, type);
}

static bool range_fits(const struct dump *dump, uint32_t type, uint64_t first, uint64_t count) {
    return was_lost(dump, type) || (first <= dump_count(dump, type) && count <= dump_count(dump, type) - first);
}

static bool string_fits(const struct dump *dump, struct dump_string string) {
    return range_fits(dump, DUMP_STRINGS, string.offset, string.length);
}

static bool frame_fits(const struct dump *dump, uint64_t frame) {
    return DUMP_FRAME_MODULE(frame) == DUMP_NO_MODULE || index_fits(dump, DUMP_MODULES, DUMP_FRAME_MODULE(frame));
}

/* A path without its steps, that of a dump whose steps were lost, is of no use to anybody. */
static const char *wrong_path(const struct dump *dump, const struct dump_path *path) {
    bool has_module = path->root == ROOT_MODULE || path->root == ROOT_STACK || path->root == ROOT_THREAD_LOCAL;
    if (!index_fits(dump, DUMP_STACKS, path->stack)) return "a stack that does not exist";
    if (path->verdict > DUMP_IN_USE) return "an unknown verdict";
    if (path->steps == 0 || path->steps > DUMP_STEPS_MOST) return "an impossible number of steps";
    if (path->left_out && path->steps < DUMP_STEPS_MOST) return "an impossible number of steps";
    if (!dump_has(dump, DUMP_STEPS) || !range_fits(dump, DUMP_STEPS, path->first_step, path->steps))
        return "steps out of range";
    if (has_module && !frame_fits(dump, path->place)) return "a module that does not exist";
    return string_fits(dump, path->name) ? NULL : "a name out of range";
}

/* What is wrong with record i of a section, or NULL. */
static const char *wrong(const struct dump *dump, uint32_t type, uint64_t i) {
    const void *records = dump->sections[type].records;
    switch (type) {
    case DUMP_OPTIONS: {
        const struct dump_option *option = (const struct dump_option *)records + i;
        return string_fits(dump, option->name) && string_fits(dump, option->value) ? NULL : "a string out of range";
    }
    case DUMP_SEGMENTS: {
        const struct dump_segment *segment = (const struct dump_segment *)records + i;
        return index_fits(dump, DUMP_MODULES, segment->module) ? NULL : "a module that does not exist";
    }
    case DUMP_MODULES: {
        const struct dump_module *module = (const struct dump_module *)records + i;
        if (!string_fits(dump, module->path)) return "a path out of range";
        if (module->build_id_length > DUMP_BUILD_ID_MAX) return "an impossible build-id length";
        if (module->start > module->end) return "a module that ends before it starts";
        return range_fits(dump, DUMP_SEGMENTS, module->first_segment, module->segments) ? NULL
                                                                                        : "segments out of range";
    }
    case DUMP_FRAMES:
        return frame_fits(dump, ((const uint64_t *)records)[i]) ? NULL : "a module that does not exist";
    case DUMP_STACKS: {
        const struct dump_stack *stack = (const struct dump_stack *)records + i;
        return range_fits(dump, DUMP_FRAMES, stack->first_frame, stack->frames) ? NULL : "frames out of range";
    }
    case DUMP_SITES: {
        const struct dump_site *site = (const struct dump_site *)records + i;
        if (!index_fits(dump, DUMP_STACKS, site->stack)) return "a stack that does not exist";
        return site->weight == 0 || (site->weight >= 1 && site->weight <= 1e18) ? NULL : "an impossible weight";
    }
    case DUMP_REFUSALS: {
        const struct dump_refusal *refusal = (const struct dump_refusal *)records + i;
        if (refusal->stack && !index_fits(dump, DUMP_STACKS, refusal->stack)) return "a stack that does not exist";
        return frame_fits(dump, refusal->frame) ? NULL : "a module that does not exist";
    }
    case DUMP_THREADS: {
        const struct dump_thread *thread = (const struct dump_thread *)records + i;
        return string_fits(dump, thread->name) ? NULL : "a name out of range";
    }
    case DUMP_MARKS: {
        const struct dump_mark *mark = (const struct dump_mark *)records + i;
        return string_fits(dump, mark->name) ? NULL : "a name out of range";
    }
    case DUMP_MAPPINGS: {
        const struct dump_mapping *mapping = (const struct dump_mapping *)records + i;
        return index_fits(dump, DUMP_STACKS, mapping->stack) ? NULL : "a stack that does not exist";
    }
    case DUMP_POOLS: {
        const struct dump_block *part = (const struct dump_block *)records + i;
        if (!index_fits(dump, DUMP_STACKS, part->stack)) return "a stack that does not exist";
        if (part->size == 0 || part->size > UINT64_MAX - part->address) return "an impossible size";
        return part->verdict <= DUMP_IN_USE ? NULL : "an unknown verdict";
    }
    case DUMP_TOTALS: {
        const struct dump_total *total = (const struct dump_total *)records + i;
        return index_fits(dump, DUMP_STACKS, total->stack) ? NULL : "a stack that does not exist";
    }
    case DUMP_STEPS: {
        const struct dump_step *step = (const struct dump_step *)records + i;
        bool fits = step->stack == DUMP_STEP_UNTRACKED || index_fits(dump, DUMP_STACKS, step->stack);
        return fits ? NULL : "a stack that does not exist";
    }
    case DUMP_PATHS:
        return wrong_path(dump, (const struct dump_path *)records + i);
    case DUMP_JIT: {
        const struct dump_jit *jit = (const struct dump_jit *)records + i;
        return string_fits(dump, jit->name) ? NULL : "a name out of range";
    }
    case DUMP_GROWN: {
        const struct dump_grown *grown = (const struct dump_grown *)records + i;
        bool fits = index_fits(dump, DUMP_STACKS, grown->stack) && index_fits(dump, DUMP_STACKS, grown->made);
        return fits ? NULL : "a stack that does not exist";
    }
    case DUMP_RECORDS: {
        const struct dump_record *record = (const struct dump_record *)records + i;
        bool fits = index_fits(dump, DUMP_STACKS, record->stack) && index_fits(dump, DUMP_STACKS, record->made);
        if (!fits) return "a stack that does not exist";
        if (record->verdict > DUMP_IN_USE) return "an unknown verdict";
        if (record->number == 0) return "an impossible number";
        return string_fits(dump, record->hint) ? NULL : "a hint out of range";
    }
    case DUMP_DOINGS: {
        const struct dump_doing *doing = (const struct dump_doing *)records + i;
        return index_fits(dump, DUMP_STACKS, doing->stack) ? NULL : "a stack that does not exist";
    }
    case DUMP_NEARS: {
        const struct dump_near *near = (const struct dump_near *)records + i;
        bool fits = index_fits(dump, DUMP_STACKS, near->made) && index_fits(dump, DUMP_STACKS, near->freed);
        return fits ? NULL : "a stack that does not exist";
    }
    default:
        return NULL;
    }
}

static void check_section(struct dump *dump, uint32_t type) {
    struct section *section = &dump->sections[type];
    for (uint64_t i = 0; i < dump_count(dump, type); i++) {
        const char *what = wrong(dump, type, i);
        if (!what) continue;
        unsigned long long record = i, place = section->position + i * section->stride;
        dump_problem(dump, "at byte %llu (section %s): record %llu names %s", place, section_name(type), record, what);
        section->state = SECTION_DROPPED;
        return;
    }
}

static void check_process(struct dump *dump) {
    struct section *section = &dump->sections[DUMP_PROCESS];
    unsigned long long place = section->position;
    if (!dump_has(dump, DUMP_PROCESS)) return;
    if (section->count != 1) {
        dump_problem(dump, "at byte %llu (section process): %llu records, not one", place,
                     (unsigned long long)section->count);
        return;
    }
    struct dump_process *process = &dump->process;
    *process = *(const struct dump_process *)section->records;
    if (process->level > DUMP_PARANOID || process->pointer_size != 8) {
        dump_problem(dump, "at byte %llu (section process): impossible %s", place,
                     process->pointer_size != 8 ? "pointer size" : "level");
        return;
    }
    if (!string_fits(dump, process->name) || !string_fits(dump, process->exe) ||
        !string_fits(dump, process->command_line) || !string_fits(dump, process->machine))
        dump_problem(dump, "at byte %llu (section process): names a string out of range", place);
    if (process->dump_time < process->start_time)
        dump_problem(dump, "at byte %llu (section process): ends before it starts", place);
    dump->usable = true;
}

#define PATH_SHOWN 1024 /* bytes */

/* A malloc of the program's own, or of a library that comes first. */
static void check_malloc(struct dump *dump) {
    for (uint64_t i = 0; i < dump_count(dump, DUMP_MODULES); i++) {
        const struct dump_module *module = &dump_modules(dump)[i];
        if (!(module->flags & DUMP_MODULE_MALLOC)) continue;
        struct text path = dump_text(dump, module->path);
        dump_problem(dump, "malloc was not weir's, but that of %.*s: what it allocated was not seen",
                     path.length < PATH_SHOWN ? (int)path.length : PATH_SHOWN, path.bytes);
        return;
    }
}

static void check_box(struct dump *dump) {
    uint64_t parts = 0;
    if (dump_stat(dump, STAT_BOX_LOST, &parts) && parts)
        dump_problem(dump,
                     "%llu %s found no room (WEIR_BOX_MAX, WEIR_MAX_DIRECT), or were cut off: sites may be missing",
                     (unsigned long long)parts, parts == 1 ? "part" : "parts");
}

void dump_check(struct dump *dump) {
    static const uint32_t order[] = {/* what others point to comes first */
                                     DUMP_OPTIONS,  DUMP_THREADS,  DUMP_MODULES, DUMP_SEGMENTS, DUMP_FRAMES,
                                     DUMP_STACKS,   DUMP_REFUSALS, DUMP_SITES,   DUMP_GROWN,    DUMP_TOTALS,
                                     DUMP_MAPPINGS, DUMP_RECORDS,  DUMP_JIT,     DUMP_STEPS,    DUMP_PATHS,
                                     DUMP_POOLS,    DUMP_MARKS,    DUMP_DOINGS,  DUMP_NEARS};
    check_process(dump);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) check_section(dump, order[i]);
    check_malloc(dump);
    check_box(dump);
}
