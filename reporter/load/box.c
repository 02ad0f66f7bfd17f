/* See box.h. The box is hostile until proven otherwise: no index in it is believed, nothing is read that lies past the
 * areas, holes are not read at all, and the dump that is made of it is checked like any other (check.c). */
#include "reporter/load/box.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/load/box_dump.h"
#include "reporter/load/file.h"
#include "reporter/load/memory.h"

/* --- reading --- */

bool box_is_one(int fd, uint64_t size) {
    static const char never[8];
    char magic[8];
    if (size < sizeof(struct box_header) || !file_read(fd, magic, sizeof magic, 0)) return false;
    bool may_be = size == BOX_SIZE || size == BOX_SIZE_BLOCKS;
    return memcmp(magic, BOX_MAGIC, sizeof magic) == 0 || (may_be && !memcmp(magic, never, sizeof magic));
}

const char *box_header(int fd, uint64_t size, struct box_header *header) {
    if (size < sizeof *header) return "the file ends inside the header of a box";
    if (!file_read(fd, header, sizeof *header, 0)) return "the header of the box cannot be read";
    if (memcmp(header->magic, BOX_MAGIC, sizeof header->magic) != 0)
        return "a box that its process has not begun: it was killed first";
    if (header->version != BOX_VERSION) return "a box of another version of weir";
    if (header->header_size < BOX_HEADER_LEAST) return "a box with an impossible header";
    return NULL;
}

/* The next part of the file that is no hole, from *from on, below `end`. */
static bool next_part(const struct box *box, uint64_t *from, uint64_t *to, uint64_t end) {
    if (*from >= end) return false;
    off_t data = lseek(box->fd, (off_t)*from, SEEK_DATA);
    if (data < 0 && errno == ENXIO) return false; /* holes from here on */
    uint64_t begin = data < 0 ? *from : (uint64_t)data;
    off_t hole = data < 0 ? -1 : lseek(box->fd, data, SEEK_HOLE);
    *from = begin;
    *to = hole > data && (uint64_t)hole < end ? (uint64_t)hole : end;
    return begin < end;
}

/* What is there of an area, zeros for what is not; `length` becomes where the last of it ends. */
static char *read_area(const struct box *box, uint64_t at, uint64_t *length) {
    uint64_t end = at + *length < box->size ? at + *length : box->size, last = at, to = 0;
    for (uint64_t from = at; next_part(box, &from, &to, end); from = to) last = to;
    char *bytes = memory_get((size_t)(last - at), 1);
    *length = last - at;
    for (uint64_t from = at; next_part(box, &from, &to, last); from = to)
        if (!file_read(box->fd, bytes + (from - at), (size_t)(to - from), from)) break; /* it is shorter by now */
    return bytes;
}

static void *read_records(const struct box *box, uint64_t at, size_t record, uint32_t most, uint32_t *count) {
    uint64_t length = (uint64_t)record * most;
    void *records = read_area(box, at, &length);
    *count = (uint32_t)(length / record);
    return records;
}

/* Where parts of the box found no room a string may be among them. */
static void settle_string(const struct box *box, struct dump_string *s) {
    bool fits = s->offset <= box->string_bytes && s->length <= box->string_bytes - s->offset;
    if (box->header.lost && (!fits || (s->length && !box->strings[s->offset]))) *s = (struct dump_string){0, 0};
}

/* One whose end is not there yet is not there. */
static void read_modules(struct box *box) {
    uint32_t there = 0;
    box->modules = read_records(box, BOX_AT_MODULES, sizeof *box->modules, BOX_MODULES_MOST, &there);
    box->segments = read_records(box, BOX_AT_SEGMENTS, sizeof *box->segments, BOX_SEGMENTS_MOST, &box->segment_count);
    uint32_t segments = 0;
    for (uint32_t i = 0; i < there; i++) {
        struct dump_module *module = &box->modules[i];
        if (module->end == 0) {
            memset(module, 0, sizeof *module);
            continue;
        }
        box->module_count = i + 1;
        uint64_t last = (uint64_t)module->first_segment + module->segments;
        settle_string(box, &module->path);
        if (box->header.lost && last > box->segment_count) module->segments = module->first_segment = 0;
        if (last > segments && last <= box->segment_count) segments = (uint32_t)last;
    }
    box->segment_count = segments;
    for (uint32_t i = 0; i < segments; i++)
        if (box->segments[i].module >= box->module_count) box->segments[i].module = 0;
}

#define PIECE 4096 /* blocks that are read at once */

/* Those that are there; the area is mostly gaps, and may be many times as large. */
static void read_blocks(struct box *box) {
    uint64_t end = BOX_AT_BLOCKS + (uint64_t)BOX_BLOCKS_MOST * sizeof(struct dump_block), to = 0;
    struct dump_block *piece = memory_get(PIECE, sizeof *piece);
    size_t capacity = 0;
    if (end > box->size) end = box->size;
    for (uint64_t from = BOX_AT_BLOCKS; next_part(box, &from, &to, end); from = to) {
        /* A part begins with a page of the file, in the middle of a record. */
        uint64_t at = from - (from - BOX_AT_BLOCKS) % sizeof *piece;
        while (at < to && at + sizeof *piece <= end) {
            uint64_t left = (to - at + sizeof *piece - 1) / sizeof *piece, most = (end - at) / sizeof *piece;
            size_t n = (size_t)(left < most ? left : most);
            if (n > PIECE) n = PIECE;
            if (!file_read(box->fd, piece, n * sizeof *piece, at)) break; /* it is shorter by now */
            for (size_t i = 0; i < n; i++) {
                if (!piece[i].address) continue;
                box->blocks = memory_more(box->blocks, &capacity, box->block_count + 1, sizeof *piece);
                box->blocks[box->block_count++] = piece[i];
            }
            at += n * sizeof *piece;
        }
        if (at > to) to = at;
    }
    free(piece);
}

static void read_box(struct box *box) {
    box->string_bytes = BOX_STRINGS_MOST;
    struct dump_process *process = &box->header.process;
    box->strings = read_area(box, BOX_AT_STRINGS, &box->string_bytes);
    settle_string(box, &process->name);
    settle_string(box, &process->exe);
    settle_string(box, &process->command_line);
    settle_string(box, &process->machine);
    read_modules(box);
    box->totals = read_records(box, BOX_AT_TOTALS, sizeof *box->totals, BOX_TOTALS_MOST, &box->total_count);
    box->frames = read_records(box, BOX_AT_FRAMES, sizeof *box->frames, BOX_FRAMES_MOST, &box->frame_count);
    uint32_t refusals = 0;
    box->refusals = read_records(box, BOX_AT_REFUSALS, sizeof *box->refusals, BOX_REFUSALS_MOST, &refusals);
    for (uint32_t i = 0; i < refusals; i++)
        if (box->refusals[i].time) box->refusals[box->refusal_count++] = box->refusals[i];
    uint32_t options = box->header.options < BOX_OPTIONS_MOST ? box->header.options : BOX_OPTIONS_MOST;
    box->options = read_records(box, BOX_AT_OPTIONS, sizeof *box->options, options, &box->option_count);
    for (uint32_t i = 0; i < box->option_count; i++) {
        settle_string(box, &box->options[i].name);
        settle_string(box, &box->options[i].value);
    }
    if (box->header.header_size < sizeof box->header) box->header.blocks = box->header.blocks_lost = 0;
    if (box->header.blocks) read_blocks(box);
}

/* --- stacks, numbered anew --- */

static bool read_frame(void *context, uint32_t id, struct box_frame *frame) {
    const struct box *box = context;
    *frame = box->frames[id];
    frame->frame = stack_list_sound(frame->frame, box->module_count);
    return true;
}

static uint32_t number_of(struct box *box, uint32_t id) {
    return stack_list_number(&box->stacks, id, read_frame, box);
}

/* --- sites: what its rows have made less what they have given back --- */

uint32_t box_rows(struct dump_total *rows, uint32_t count, const bool *is_peak) {
    uint32_t there = 0;
    int64_t more = 0; /* bytes that are live, less those of the peak that was noted last */
    for (uint32_t i = 0; i < count; i++) {
        const struct dump_total *row = &rows[i];
        bool empty = !row->samples && !row->allocations && !row->frees && !row->bytes && !row->freed_bytes;
        if ((i > 0 && !row->stack) || empty) continue;
        more = (int64_t)((uint64_t)more + row->bytes - row->freed_bytes - row->peak_bytes);
        rows[there++] = *row;
    }
    for (uint32_t i = 0; i < there && (is_peak ? *is_peak : more > 0); i++) {
        rows[i].peak_blocks = rows[i].allocations - rows[i].frees;
        rows[i].peak_bytes = rows[i].bytes - rows[i].freed_bytes;
    }
    return there;
}

struct sum {
    int64_t blocks, bytes, samples; /* the first two in units of 2^-DUMP_TOTAL_SHIFT */
    uint32_t threads;
};

static void add_row(struct sum *sum, const struct dump_total *row) {
    sum->blocks = (int64_t)((uint64_t)sum->blocks + row->allocations - row->frees);
    sum->bytes = (int64_t)((uint64_t)sum->bytes + row->bytes - row->freed_bytes);
    sum->samples += row->samples;
    for (size_t i = 0; i < DUMP_LIFETIMES; i++) sum->samples -= row->lifetimes[i];
    sum->threads += row->samples > 0;
}

#define UNIT        ((double)(1u << DUMP_TOTAL_SHIFT))
#define THREADS_MAX 16 /* as in struct dump_site */

static struct dump_site site_of(const struct box *box, uint32_t stack, const struct sum *sum) {
    double blocks = (double)sum->blocks / UNIT, bytes = (double)sum->bytes / UNIT, weight = 1;
    if (box->header.sample_bytes && sum->samples > 0 && blocks > (double)sum->samples)
        weight = blocks / (double)sum->samples;
    return (struct dump_site){.stack = stack,
                              .threads = sum->threads < THREADS_MAX ? sum->threads : THREADS_MAX,
                              .blocks = (uint64_t)(blocks / weight + 0.5),
                              .bytes = bytes > 0 ? (uint64_t)(bytes / weight + 0.5) : 0,
                              .weight = weight > 1 ? weight : 0};
}

static void sum_up(struct box *box) {
    struct sum *sums = NULL;
    size_t capacity = 0;
    box->rows = box_rows(box->totals, box->total_count, NULL);
    for (uint32_t i = 0; i < box->rows; i++) {
        struct dump_total *row = &box->totals[i];
        row->stack = number_of(box, row->stack);
        row->next = 0;
        sums = memory_more(sums, &capacity, box->stacks.count, sizeof *sums);
        add_row(&sums[row->stack], row);
    }
    box->sites = memory_get(box->stacks.count, sizeof *box->sites);
    for (uint32_t i = 0; i < box->stacks.count && i < capacity; i++) { /* the first: those that found no row */
        if (sums[i].blocks <= 0) continue;
        box->sites[box->site_count] = site_of(box, i, &sums[i]);
        box->site_count += box->sites[box->site_count].blocks > 0;
    }
    free(sums);
}

/* Where all blocks are there they are the sites. Else what the rows say is, and blocks tell its ages. */
static void settle_blocks(struct box *box) {
    bool all = box->header.blocks && !box->header.blocks_lost;
    for (size_t i = 0; i < box->block_count; i++) {
        box->blocks[i].verdict = DUMP_UNKNOWN;
        box->blocks[i].stack = number_of(box, box->blocks[i].stack);
    }
    struct dump_site *of = memory_get(box->stacks.count, sizeof *of); /* by stack, the oldest and newest */
    for (size_t i = 0; i < box->block_count; i++) {
        const struct dump_block *block = &box->blocks[i];
        struct dump_site *site = &of[block->stack];
        if (!site->oldest || block->time < site->oldest) site->oldest = block->time;
        if (block->time > site->newest) site->newest = block->time;
    }
    for (uint32_t i = 0; i < box->site_count; i++) {
        box->sites[i].oldest = of[box->sites[i].stack].oldest;
        box->sites[i].newest = of[box->sites[i].stack].newest;
    }
    free(of);
    box->by_block = all;
}

static int compare_refusals(const void *left, const void *right) {
    const struct dump_refusal *a = left, *b = right;
    return a->time < b->time ? -1 : a->time > b->time;
}

static void settle_refusals(struct box *box) {
    for (uint32_t i = 0; i < box->refusal_count; i++) {
        struct dump_refusal *refusal = &box->refusals[i];
        refusal->frame = stack_list_sound(refusal->frame, box->module_count);
        refusal->stack = number_of(box, refusal->stack);
    }
    if (box->refusal_count) qsort(box->refusals, box->refusal_count, sizeof *box->refusals, compare_refusals);
}

static void settle_process(struct box *box, const struct box_process *known) {
    struct dump_process *process = &box->header.process;
    process->reason = DUMP_LEFT;
    process->exit_status = known->exit_status;
    process->killed_by = known->killed_by;
    process->dump_time = known->time ? known->time : box->header.number[BOX_SEEN];
    if (process->dump_time < process->start_time) process->dump_time = process->start_time;
    process->number = UINT32_MAX; /* it knows more than any dump of before */
}

int box_to_dump(int fd, uint64_t *size, const struct box_process *known, const char **why) {
    struct box box = {.fd = fd, .size = *size};
    *why = box_header(fd, *size, &box.header);
    if (*why) return -1;
    /* Somebody has cut it: a box has its whole length from the start. */
    if (*size < (box.header.blocks ? BOX_SIZE_BLOCKS : BOX_SIZE)) box.header.lost++;
    read_box(&box);
    settle_process(&box, known);
    stack_list_start(&box.stacks, box.frame_count, STACK_DEPTH_MOST);
    sum_up(&box);
    settle_refusals(&box);
    settle_blocks(&box);
    int to = box_write(&box, size);
    if (to < 0) *why = "no memory for what is made of the box";
    free(box.strings);
    free(box.modules);
    free(box.segments);
    free(box.totals);
    free(box.frames);
    free(box.refusals);
    free(box.options);
    free(box.sites);
    free(box.blocks);
    stack_list_free(&box.stacks);
    return to;
}
