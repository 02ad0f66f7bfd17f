/* The blocks of a dump: a million of them are 40 MB, so they are passed through in pieces and added up by stack. What
 * was added up counts only when the checksum at the end agrees. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/load/crc32c.h"
#include "reporter/load/dump.h"
#include "reporter/load/file.h"
#include "reporter/load/marks.h"
#include "reporter/load/memory.h"
#include "reporter/load/progress.h"

#define PIECE (1u << 20)

static struct block_summary *summary_for(struct dump *dump, uint32_t stack, enum dump_verdict verdict) {
    uint32_t first = dump->summary_of[stack];
    for (uint32_t i = first; i; i = dump->summaries[i - 1].next)
        if (dump->summaries[i - 1].verdict == verdict) return &dump->summaries[i - 1];
    dump->summaries =
        memory_more(dump->summaries, &dump->summary_capacity, dump->summary_count + 1, sizeof *dump->summaries);
    struct block_summary *fresh = &dump->summaries[dump->summary_count++];
    fresh->detail = memory_get(1, sizeof *fresh->detail);
    fresh->stack = stack;
    fresh->verdict = verdict;
    fresh->oldest = UINT64_MAX;
    fresh->next = first;
    dump->summary_of[stack] = (uint32_t)dump->summary_count;
    return fresh;
}

static void count_thread(struct block_summary *summary, uint32_t thread) {
    for (uint32_t i = 0; i < summary->threads; i++)
        if (summary->detail->thread[i].thread == thread) {
            summary->detail->thread[i].blocks++;
            return;
        }
    if (summary->threads == SUMMARY_THREADS) {
        summary->more_threads++;
        return;
    }
    summary->detail->thread[summary->threads].thread = thread;
    summary->detail->thread[summary->threads++].blocks = 1;
}

static void count_mark(struct block_summary *summary, uint32_t mark) {
    uint32_t i = 0;
    if (!mark) return;
    while (i < SUMMARY_MARKS && summary->detail->marked[i].mark && summary->detail->marked[i].mark != mark) i++;
    if (i == SUMMARY_MARKS || summary->detail->marked[i].blocks == UINT32_MAX) {
        summary->more_marks++;
        return;
    }
    summary->detail->marked[i].mark = mark;
    summary->detail->marked[i].blocks++;
}

static uint64_t sought_address;
static bool is_seeking;

void dump_seek(uint64_t address) {
    sought_address = address;
    is_seeking = true;
}

static void seek(struct dump *dump, const struct dump_block *block) {
    if (dump->sought || sought_address - block->address >= (block->size ? block->size : 1)) return;
    dump->sought = memory_get(1, sizeof *block);
    *dump->sought = *block;
}

static uint64_t later_from = UINT64_MAX;

void dump_split(uint64_t time) {
    later_from = time;
}

static void add_block(struct dump *dump, const struct dump_block *block) {
    if (is_seeking) seek(dump, block);
    if (block->time < dump->since) return;
    struct block_summary *summary = summary_for(dump, block->stack, (enum dump_verdict)block->verdict);
    if (dump->process.fork_time && block->time < dump->process.fork_time) {
        summary->inherited_blocks++;
        if (__builtin_add_overflow(summary->inherited_bytes, block->size, &summary->inherited_bytes))
            summary->inherited_bytes = UINT64_MAX;
        return;
    }
    double weight = block->weight > 0 ? (double)block->weight : 1;
    double size = (double)block->size;
    samples_add(&summary->block_samples, &dump->drawing, size, 1, weight);
    samples_add(&summary->byte_samples, &dump->drawing, size, size, weight);
    if (block->time >= later_from) samples_add(&summary->later_samples, &dump->drawing, size, size, weight);
    ages_add(&summary->detail->ages, &dump->time, block->time, size, weight);
    summary->blocks++;
    if (__builtin_add_overflow(summary->bytes, block->size, &summary->bytes)) summary->bytes = UINT64_MAX;
    if (block->time < summary->oldest) summary->oldest = block->time;
    if (block->time > summary->newest) summary->newest = block->time;
    sizes_add(&summary->detail->sizes, block->size);
    count_thread(summary, block->thread);
    count_mark(summary, marks_at(dump, block->time));
}

#define WEIGHT_MOST 1e18f

/* What the block names that cannot be, or NULL. */
static const char *wrong(const struct dump *dump, const struct dump_block *block) {
    if (block->stack >= dump_count(dump, DUMP_STACKS)) return "a stack that does not exist";
    if (block->verdict > DUMP_IN_USE) return "an unknown verdict";
    bool weighs = block->weight == 0 || (block->weight >= 1 && block->weight <= WEIGHT_MOST);
    return weighs ? NULL : "an impossible weight";
}

/* Adds up one piece; false at the first record that is wrong. */
static bool add_piece(struct dump *dump, const char *piece, size_t records, uint64_t first) {
    const struct section *section = &dump->sections[DUMP_BLOCKS];
    size_t known = section->stride < sizeof(struct dump_block) ? section->stride : sizeof(struct dump_block);
    for (size_t i = 0; i < records; i++) {
        struct dump_block block = {0};
        memcpy(&block, piece + i * section->stride, known);
        const char *what = wrong(dump, &block);
        if (!what) {
            add_block(dump, &block);
            continue;
        }
        unsigned long long record = first + i, place = section->position + record * section->stride;
        dump_problem(dump, "at byte %llu (section blocks): record %llu names %s", place, record, what);
        return false;
    }
    return true;
}

static bool add_all(struct dump *dump, char *piece, uint32_t *crc) {
    const struct section *section = &dump->sections[DUMP_BLOCKS];
    uint64_t a_piece = PIECE / section->stride;
    for (uint64_t done = 0; done < section->count;) {
        uint64_t now = section->count - done < a_piece ? section->count - done : a_piece;
        size_t bytes = (size_t)now * section->stride;
        unsigned long long place = section->position + done * section->stride;
        if (!file_read(dump->fd, piece, bytes, place)) {
            dump_problem(dump, "at byte %llu (section blocks): cannot be read", place);
            return false;
        }
        *crc = crc32c(*crc, piece, bytes);
        if (!add_piece(dump, piece, (size_t)now, done)) return false;
        done += now;
        progress_show("reading blocks", done, section->count);
    }
    return true;
}

static void note_drawing(struct dump *dump) {
    uint64_t bytes = 0, blocks = 0, thinned = 0;
    if (!dump_is_sampled(dump) || !dump_stat(dump, STAT_SAMPLE_BYTES, &bytes) ||
        !dump_stat(dump, STAT_SAMPLE_BLOCKS, &blocks))
        return;
    (void)dump_stat(dump, STAT_SAMPLE_THINNED_NOW, &thinned);
    dump->drawing.interval = ldexp((double)bytes, thinned < 64 ? (int)thinned : 64);
    dump->drawing.extra = blocks ? (double)bytes / (double)blocks : 0;
}

/* From when on the process has made what counts. */
static void note_time(struct dump *dump) {
    const struct dump_process *process = &dump->process;
    uint64_t begin = process->fork_time > process->start_time ? process->fork_time : process->start_time;
    dump->time = (struct ages_time){dump->since > begin ? dump->since : begin, process->dump_time};
}

void dump_blocks(struct dump *dump) {
    struct section *section = &dump->sections[DUMP_BLOCKS];
    uint32_t crc = 0;
    if (section->state != SECTION_FOUND) return;
    section->state = SECTION_DROPPED;
    if (!dump_has(dump, DUMP_STACKS) && (dump->cut || dump->sections[DUMP_STACKS].state == SECTION_DROPPED))
        return; /* said already; without stacks a block tells nothing */
    if (section->stride > PIECE) {
        dump_problem(dump, "at byte %llu (section blocks): impossible record size %u",
                     (unsigned long long)section->position, section->stride);
        return;
    }
    note_drawing(dump);
    note_time(dump);
    dump->summary_capacity = (size_t)dump_count(dump, DUMP_STACKS);
    dump->summary_of = memory_get(dump->summary_capacity, sizeof *dump->summary_of);
    dump->summaries = memory_get(dump->summary_capacity, sizeof *dump->summaries); /* what is not used is not there */
    char *piece = memory_get(PIECE, 1);
    bool whole = add_all(dump, piece, &crc);
    free(piece);
    if (whole && crc == section->crc) {
        section->state = SECTION_WHOLE;
        return;
    }
    if (whole)
        dump_problem(dump, "at byte %llu (section blocks): damaged (its checksum does not match)",
                     (unsigned long long)section->position);
    for (size_t i = 0; i < dump->summary_count; i++) dump_forget_detail(&dump->summaries[i]);
    free(dump->sought);
    free(dump->summary_of);
    dump->sought = NULL;
    dump->summary_of = NULL;
    dump->summary_count = 0;
}
