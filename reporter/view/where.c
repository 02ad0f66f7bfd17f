/* weir report --memory: where the memory is, in rows that add up to what the kernel says is resident, and to what the
 * ceiling counts; and who pins what is free. weir report --arena: the arena by size class, as Netty's dumpStats. */
#include <stdlib.h>

#include "reporter/load/memory.h"
#include "reporter/view/labels.h"
#include "reporter/view/units.h"
#include "reporter/view/view.h"

#define LABEL_WIDTH 48

const char *const view_memory_kinds[MEMORY_KINDS] = {
    [MEMORY_LIVE] = "live_blocks",       [MEMORY_ROUNDING] = "rounding", [MEMORY_PINNED] = "pinned",
    [MEMORY_CACHED] = "cached",          [MEMORY_TABLES] = "tables",     [MEMORY_LOADER] = "loader_reserve",
    [MEMORY_MAPPINGS] = "mappings",      [MEMORY_RESERVED] = "reserved", [MEMORY_STACKS] = "thread_stacks",
    [MEMORY_BREAK] = "program_break",    [MEMORY_FILES] = "files",       [MEMORY_SHARED] = "shared",
    [MEMORY_UNACCOUNTED] = "unaccounted"};

static const char *const words[MEMORY_KINDS] = {[MEMORY_LIVE] = "live blocks",
                                                [MEMORY_ROUNDING] = "rounding inside their places",
                                                [MEMORY_PINNED] = "free places that blocks pin",
                                                [MEMORY_CACHED] = "cached: free and retained",
                                                [MEMORY_TABLES] = "weir's own tables",
                                                [MEMORY_LOADER] = "kept for the loader",
                                                [MEMORY_MAPPINGS] = "own mappings, writable",
                                                [MEMORY_RESERVED] = "own mappings, not writable",
                                                [MEMORY_STACKS] = "thread stacks",
                                                [MEMORY_BREAK] = "below the program break",
                                                [MEMORY_FILES] = "program, libraries, files",
                                                [MEMORY_SHARED] = "shared memory and files",
                                                [MEMORY_UNACCOUNTED] = "unaccounted"};

bool view_sum_memory(const struct merged *merged, struct memory_sum *sum) {
    uint64_t anon = 0, file = 0, shmem = 0, highest = 0;
    bool any = false;
    *sum = (struct memory_sum){0};
    for (size_t i = 0; i < merged->part_count; i++) {
        const struct dump *dump = merged->parts[i].dump;
        if (merged->parts[i].older) continue;
        for (uint64_t j = 0; j < dump_count(dump, DUMP_MEMORY); j++) {
            const struct dump_memory *row = &dump_memory_rows(dump)[j];
            struct dump_memory *to = &sum->rows[row->kind < MEMORY_KINDS ? row->kind : MEMORY_UNACCOUNTED];
            to->resident += row->resident;
            to->charged += row->charged;
            to->count += row->count;
            sum->all.resident += row->resident;
            sum->all.charged += row->charged;
            any = true;
        }
    }
    sum->has_kernel = merged_stat(merged, STAT_RSS_ANON, &anon, &highest) &&
                      merged_stat(merged, STAT_RSS_FILE, &file, &highest) &&
                      merged_stat(merged, STAT_RSS_SHMEM, &shmem, &highest) && anon + file + shmem > 0;
    sum->kernel = anon + file + shmem;
    sum->has_used = merged_stat(merged, STAT_DIRECT_USED, &sum->used, &highest);
    return any;
}

/* Of a process that left only a box, nothing is known of where its memory was. */
static bool is_box(const struct part *part) {
    return !part->older && part->dump->process.reason == DUMP_LEFT;
}

static void tell_of_boxes(const struct view *view) {
    size_t boxes = 0;
    for (size_t i = 0; i < view->merged->part_count; i++) boxes += is_box(&view->merged->parts[i]);
    if (boxes == 0) return;
    (void)fprintf(view->out, "not in it: %zu %s, of which only a box is there: how much was used, and sites\n", boxes,
                  boxes == 1 ? "process" : "processes");
}

/* Where the sum is off: by how much. */
static void print_difference(const struct view *view, const char *what, bool known, uint64_t sum, uint64_t truth) {
    if (!known || sum == truth) return;
    uint64_t off = sum > truth ? sum - truth : truth - sum;
    (void)fprintf(view->out, "  %s is %s %s\n", what, units_short(off), sum > truth ? "less" : "more");
}

static void print_rows(const struct view *view, const struct memory_sum *sum) {
    (void)fprintf(view->out, "\nWHERE THE MEMORY IS                      RESIDENT       CHARGED\n");
    for (uint32_t kind = 1; kind < MEMORY_KINDS; kind++) {
        const struct dump_memory *row = &sum->rows[kind];
        if (row->resident + row->charged == 0) continue;
        (void)fprintf(view->out, "  %-36s %10s", words[kind], sum->has_kernel ? units_short(row->resident) : "?");
        (void)fprintf(view->out, "    %10s\n", row->charged ? units_short(row->charged) : "");
    }
    (void)fprintf(view->out, "  %-36s %10s", "in all", sum->has_kernel ? units_short(sum->all.resident) : "?");
    (void)fprintf(view->out, "    %10s\n", units_short(sum->all.charged));
    (void)fprintf(view->out, "  %-36s %10s", "the kernel's word, the counter's",
                  sum->has_kernel ? units_short(sum->kernel) : "?");
    (void)fprintf(view->out, " %13s", sum->has_used ? units_short(sum->used) : "?");
    (void)fputc('\n', view->out);
    print_difference(view, "the kernel's", sum->has_kernel, sum->all.resident, sum->kernel);
    print_difference(view, "the counter's", sum->has_used, sum->all.charged, sum->used);
    bool is_core = view_first(view->merged)->dump->process.reason == DUMP_AT_CORE;
    if (!sum->has_kernel)
        (void)fprintf(view->out, "what is resident %s\n",
                      is_core ? "no core tells" : "could not be found out (/proc/PID/pagemap)");
    if (view->merged->counted > 1)
        (void)fprintf(view->out, "of %zu processes together; what they share counts once for each\n",
                      view->merged->counted);
}

static void print_unaccounted(const struct view *view) {
    const struct dump *dump = view_first(view->merged)->dump;
    uint64_t count = dump_count(dump, DUMP_UNACCOUNTED);
    if (!count || view->merged->counted > 1) return;
    (void)fprintf(view->out, "\nUNACCOUNTED, BY ADDRESS                  RESIDENT          SIZE\n");
    for (uint64_t i = 0; i < count && i < view->options.rows; i++) {
        const struct dump_unaccounted *range = &dump_unaccounted_ranges(dump)[i];
        unsigned long long from = range->address, end = range->address + range->size;
        (void)fprintf(view->out, "  %012llx-%012llx %c%c%c %17s", from, end, range->permissions & 4 ? 'r' : '-',
                      range->permissions & 2 ? 'w' : '-', range->permissions & 1 ? 'x' : '-',
                      units_short(range->resident));
        (void)fprintf(view->out, "    %10s\n", units_short(range->size));
    }
}

static void print_pinning(const struct view *view) {
    const struct merged *merged = view->merged;
    size_t rows = 0;
    while (rows < view->options.rows && rows < merged->live_sites && merged->sites[rows]->pinned) rows++;
    if (!rows) return;
    (void)fprintf(view->out, "\n   PINNED       BLOCKS      LIVE  SITE\n");
    char **labels = labels_make(view, rows, LABEL_WIDTH);
    for (size_t i = 0; i < rows; i++) {
        const struct merged_site *site = merged->sites[i];
        (void)fprintf(view->out, "%9s  %11s", units_bytes(site->pinned), units_count(site->blocks));
        (void)fprintf(view->out, " %9s  %s\n", units_bytes(site->bytes), labels[i]);
        free(labels[i]);
    }
    free(labels);
}

void view_memory(const struct view *view) {
    struct memory_sum sum;
    if (!view_sum_memory(view->merged, &sum)) {
        if (is_box(view_first(view->merged)))
            (void)fprintf(view->out, "\nwhere the memory is, a box does not tell: how much is used, and sites\n");
        else
            (void)fprintf(view->out, "\nwhere the memory is was not written: the dump is of an older version\n");
        return;
    }
    print_rows(view, &sum);
    tell_of_boxes(view);
    print_unaccounted(view);
    print_pinning(view);
}

/* --- the arena --- */

struct class_sum {
    struct dump_class *classes; /* by size */
    size_t count;
};

static int by_size(const void *left, const void *right) {
    const struct dump_class *a = left, *b = right;
    uint64_t x = a->size - 1, y = b->size - 1; /* runs, of size 0, last */
    return x < y ? -1 : x > y;
}

static void add_class(struct class_sum *sum, const struct dump_class *class) {
    size_t i = 0;
    while (i < sum->count && sum->classes[i].size != class->size) i++;
    struct dump_class *to = &sum->classes[i];
    if (i == sum->count) sum->classes[sum->count++] = (struct dump_class){.size = class->size};
    to->slabs += class->slabs;
    to->live += class->live;
    to->capacity += class->capacity;
    to->committed += class->committed;
    for (int j = 0; j < DUMP_OCCUPANCIES; j++) to->occupancy[j] += class->occupancy[j];
}

static struct class_sum sum_classes(const struct merged *merged) {
    struct class_sum sum = {0};
    size_t most = 0;
    for (size_t i = 0; i < merged->part_count; i++) most += (size_t)dump_count(merged->parts[i].dump, DUMP_CLASSES);
    sum.classes = memory_get(most, sizeof *sum.classes);
    for (size_t i = 0; i < merged->part_count; i++) {
        const struct dump *dump = merged->parts[i].dump;
        for (uint64_t j = 0; !merged->parts[i].older && j < dump_count(dump, DUMP_CLASSES); j++)
            add_class(&sum, &dump_classes(dump)[j]);
    }
    if (sum.count) qsort(sum.classes, sum.count, sizeof *sum.classes, by_size);
    return sum;
}

static void print_class(const struct view *view, const struct dump_class *class) {
    uint64_t live = class->size * class->live;
    (void)fprintf(view->out, "%7s %9s", class->size ? units_count(class->size) : "runs", units_count(class->live));
    if (!class->size) {
        (void)fprintf(view->out, " %9s %6s %7s %7s\n", "", "", "", units_short(class->committed));
        return;
    }
    (void)fprintf(view->out, " %9s",
                  units_count(class->capacity - (class->live < class->capacity ? class->live : class->capacity)));
    (void)fprintf(view->out, " %6s", units_count(class->slabs));
    (void)fprintf(view->out, " %7s", units_short(class->committed > live ? class->committed - live : 0));
    (void)fprintf(view->out, " %7s", units_short(class->committed));
    for (int i = 0; i < DUMP_OCCUPANCIES; i++) (void)fprintf(view->out, " %4u", class->occupancy[i]);
    (void)fputc('\n', view->out);
}

void view_arena(const struct view *view) {
    struct class_sum sum = sum_classes(view->merged);
    struct dump_class all = {.size = 1};
    if (sum.count == 0 && is_box(view_first(view->merged))) {
        (void)fprintf(view->out, "\nof which class blocks are, a box does not tell: how much is used, and sites\n");
        free(sum.classes);
        return;
    }
    (void)fprintf(view->out, "\n%80s\n", "SLABS BY PLACES IN USE, %");
    (void)fprintf(view->out, "%7s %9s %9s %6s %7s %7s    0  -25  -50  -75  -99  100\n", "CLASS", "USED", "FREE",
                  "SLABS", "WASTE", "MEMORY");
    for (size_t i = 0; i < sum.count; i++) {
        print_class(view, &sum.classes[i]);
        if (!sum.classes[i].size) continue;
        all.slabs += sum.classes[i].slabs;
        for (int j = 0; j < DUMP_OCCUPANCIES; j++) all.occupancy[j] += sum.classes[i].occupancy[j];
    }
    (void)fprintf(view->out, "%7s %9s %9s %6s %7s %7s", "in all", "", "", units_count(all.slabs), "", "");
    for (int i = 0; i < DUMP_OCCUPANCIES; i++) (void)fprintf(view->out, " %4u", all.occupancy[i]);
    (void)fputc('\n', view->out);
    uint64_t made = 0, given = 0, highest = 0;
    if (merged_stat(view->merged, STAT_ALLOCATIONS, &made, &highest) &&
        merged_stat(view->merged, STAT_FREES, &given, &highest))
        (void)fprintf(view->out, "%s blocks ever made, %s given back\n", units_count(made), units_count(given));
    tell_of_boxes(view);
    free(sum.classes);
}
