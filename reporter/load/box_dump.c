/* See box_dump.h. */
#include "reporter/load/box_dump.h"

#include <stdbool.h>
#include <stdlib.h>

#include "reporter/load/memory.h"

static void stats(struct dump_writer *w, const struct box *box) {
    const struct box_header *header = &box->header;
    const uint64_t *number = header->number;
    uint64_t live = 0;
    for (uint32_t i = 0; i < box->site_count && !box->by_block; i++) live += box->sites[i].blocks;
    if (box->by_block) live = box->block_count;
    const struct dump_stat all[] = {
        {STAT_DIRECT_USED, 0, number[BOX_USED]},
        {STAT_DIRECT_PEAK, 0, number[BOX_PEAK]},
        {STAT_DIRECT_PEAK_TIME, 0, number[BOX_PEAK_TIME]},
        {STAT_DIRECT_MAX, 0, number[BOX_MAX]},
        {STAT_DIRECT_REFUSED, 0, number[BOX_REFUSED]},
        {STAT_REFUSED_BYTES, 0, number[BOX_REFUSED_BYTES]},
        {STAT_HIGH_CROSSINGS, 0, number[BOX_HIGH_CROSSINGS]},
        {STAT_LOW_CROSSINGS, 0, number[BOX_LOW_CROSSINGS]},
        {STAT_TRACKED_LIVE, 0, live},
        {STAT_INHERITED_BYTES, 0, number[BOX_INHERITED]},
        {STAT_BOX_LOST, 0, header->lost},
        {STAT_BOX_BLOCKS, 0,
         !header->blocks ? 0
         : box->by_block ? 1
                         : 2},
        /* only where blocks were drawn */
        {STAT_SAMPLE_BYTES, 0, header->sample_bytes},
        {STAT_SAMPLE_BLOCKS, 0, header->sample_blocks},
        {STAT_SAMPLE_THINNED, 0, number[BOX_THINNED]},
        {STAT_SAMPLE_THINNED_NOW, 0, number[BOX_THINNED_NOW]},
    };
    size_t count = sizeof all / sizeof *all - (header->sample_bytes ? 0 : 4);
    dump_writer_section(w, DUMP_STATS, sizeof *all, all, count);
}

int box_write(const struct box *box, uint64_t *size) {
    struct dump_process process = box->header.process;
    struct dump_writer *w = memory_get(1, sizeof *w);
    dump_writer_begin(w, "box");
    process.max_direct = box->header.number[BOX_MAX];
    dump_writer_section(w, DUMP_PROCESS, sizeof process, &process, 1);
    dump_writer_section(w, DUMP_STRINGS, 1, box->strings, (size_t)box->string_bytes);
    dump_writer_section(w, DUMP_OPTIONS, sizeof *box->options, box->options, box->option_count);
    dump_writer_section(w, DUMP_MODULES, sizeof *box->modules, box->modules, box->module_count);
    dump_writer_section(w, DUMP_SEGMENTS, sizeof *box->segments, box->segments, box->segment_count);
    stack_list_write(&box->stacks, w);
    if (box->by_block)
        dump_writer_section(w, DUMP_BLOCKS, sizeof *box->blocks, box->blocks, box->block_count);
    else
        dump_writer_section(w, DUMP_SITES, sizeof *box->sites, box->sites, box->site_count);
    dump_writer_section(w, DUMP_TOTALS, sizeof *box->totals, box->totals, box->rows);
    dump_writer_section(w, DUMP_REFUSALS, sizeof *box->refusals, box->refusals, box->refusal_count);
    stats(w, box);
    int fd = dump_writer_finish(w, &process, size);
    free(w);
    return fd;
}
