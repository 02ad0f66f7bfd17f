/* What box.c has read of a box, and its being written as a dump. */
#ifndef WEIR_LOAD_BOX_DUMP_H
#define WEIR_LOAD_BOX_DUMP_H

#include <stddef.h>
#include <stdint.h>

#include "reporter/load/stack_list.h"

struct box {
    int fd;
    uint64_t size;
    struct box_header header;
    char *strings;
    uint64_t string_bytes;
    struct dump_option *options;
    struct dump_module *modules;
    struct dump_segment *segments;
    struct dump_total *totals; /* the first `rows` are those that are there */
    struct dump_refusal *refusals;
    struct box_frame *frames;
    uint32_t option_count, module_count, segment_count, total_count, rows, refusal_count, frame_count;
    struct stack_list stacks;
    struct dump_site *sites;
    uint32_t site_count;
    struct dump_block *blocks; /* with WEIR_BOX=blocks */
    size_t block_count;
    bool by_block; /* these are all, and the sites */
};

/* A descriptor, or -1 where there is no memory; its size. */
int box_write(const struct box *box, uint64_t *size);

#endif
