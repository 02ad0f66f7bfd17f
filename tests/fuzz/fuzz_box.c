/* A deterministic fuzzer of boxes: fuzz_box SEED ITERATIONS FOLDER. FOLDER holds the box of the current iteration, so
 * that what crashed is still there: one that was whole, in which some bytes are others, or which is cut short. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reporter/load/memory.h"
#include "shim/box/format_box.h"
#include "tests/fuzz/fuzzing.h"

#define STACKS 12u
#define DEPTH  6u

/* The parts of a box that have something in them, by where they lie. */
static struct piece areas[12];
static size_t area_count;
static bool has_blocks;

static void *area_at(uint64_t at, size_t length) {
    struct piece *area = &areas[area_count++];
    memset(area, 0, sizeof *area);
    area->at = at;
    area->length = length;
    return area->bytes;
}

static struct dump_string string(char *strings, uint32_t *used, const char *text) {
    struct dump_string result = {*used, (uint32_t)strlen(text)};
    memcpy(strings + *used, text, result.length);
    *used += result.length;
    return result;
}

static void make_header(char *strings, uint32_t *used) {
    struct box_header *header = area_at(0, sizeof *header);
    memcpy(header->magic, BOX_MAGIC, sizeof header->magic);
    header->version = BOX_VERSION;
    header->header_size = sizeof *header;
    header->process = (struct dump_process){.pid = 1u << 30, /* nobody's */
                                            .level = DUMP_SIMPLE,
                                            .page_size = 4096,
                                            .pointer_size = 8,
                                            .start_time = 1000,
                                            .name = string(strings, used, "fuzzed"),
                                            .exe = string(strings, used, "/nowhere/fuzzed")};
    header->options = 1;
    header->sample_bytes = 65536;
    header->sample_blocks = 128;
    header->number[BOX_USED] = header->number[BOX_PEAK] = 1 << 20;
    header->number[BOX_SEEN] = 1u << 30;
    header->blocks = has_blocks;
    struct dump_option *option = area_at(BOX_AT_OPTIONS, sizeof *option);
    *option = (struct dump_option){string(strings, used, "WEIR_LEVEL"), string(strings, used, "simple")};
}

static void make_rows(void) {
    struct dump_total *rows = area_at(BOX_AT_TOTALS, 32 * sizeof *rows);
    struct box_frame *frames = area_at(BOX_AT_FRAMES, ((size_t)BOX_ROOTS + (size_t)STACKS * DEPTH) * sizeof *frames);
    for (uint32_t i = 1; i < 32; i++)
        rows[i] = (struct dump_total){.stack = BOX_ROOTS + (i % STACKS + 1) * DEPTH - 1,
                                      .heap = i << 7,
                                      .samples = i * 3,
                                      .allocations = (uint64_t)i * 300 << DUMP_TOTAL_SHIFT,
                                      .bytes = (uint64_t)i * 30000 << DUMP_TOTAL_SHIFT,
                                      .frees = (uint64_t)i * 100 << DUMP_TOTAL_SHIFT,
                                      .freed_bytes = (uint64_t)i * 10000 << DUMP_TOTAL_SHIFT,
                                      .lifetimes = {i}};
    for (uint32_t i = 0; i < STACKS * DEPTH; i++)
        frames[BOX_ROOTS + i] =
            (struct box_frame){.frame = (uint64_t)(i % 3 == 2 ? DUMP_NO_MODULE : i % 2) << 48 | (uint64_t)i * 64,
                               .outer = i % DEPTH ? BOX_ROOTS + i - 1 : 1};
}

/* In every other box; as far apart as pages of them can be. */
static void make_blocks(void) {
    for (uint32_t page = 0; page < 2; page++) {
        struct dump_block *blocks = area_at(BOX_AT_BLOCKS + page * 1000000ull * sizeof *blocks, 256 * sizeof *blocks);
        for (uint32_t i = page; i < 256; i += 3)
            blocks[i] = (struct dump_block){.address = 4096 + page * 65536 + i * 64,
                                            .size = i,
                                            .time = 1000 + i,
                                            .stack = BOX_ROOTS + (i % STACKS + 1) * DEPTH - 1,
                                            .thread = 1 + i % 3,
                                            .weight = i % 2 ? 0 : 128};
    }
}

static void make_box(void) {
    uint32_t used = 0;
    area_count = 0;
    has_blocks = random_below(2);
    char *strings = area_at(BOX_AT_STRINGS, 256);
    make_header(strings, &used);
    struct dump_module *modules = area_at(BOX_AT_MODULES, 2 * sizeof *modules);
    struct dump_segment *segments = area_at(BOX_AT_SEGMENTS, 2 * sizeof *segments);
    for (uint32_t i = 0; i < 2; i++) {
        modules[i] = (struct dump_module){.start = 4096, .end = 1 << 20, .first_segment = i, .segments = 1};
        modules[i].path = string(strings, &used, "/nowhere/module");
        segments[i] = (struct dump_segment){.size = 1 << 20, .flags = 5, .module = i};
    }
    struct dump_refusal *refusals = area_at(BOX_AT_REFUSALS, 3 * sizeof *refusals);
    for (uint32_t i = 0; i < 3; i++)
        refusals[i] = (struct dump_refusal){.time = i + 1, .requested = 1 << 20, .stack = BOX_ROOTS + DEPTH - 1};
    make_rows();
    if (has_blocks) make_blocks();
}

static void write_box(const char *path) {
    uint64_t all = has_blocks ? BOX_SIZE_BLOCKS : BOX_SIZE, size = random_below(8) ? all : random_below(all);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0) exit(1);
    for (size_t i = 0; i < area_count; i++)
        if (areas[i].at + areas[i].length <= size &&
            pwrite(fd, areas[i].bytes, areas[i].length, (off_t)areas[i].at) != (ssize_t)areas[i].length)
            exit(1);
    (void)close(fd);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    unsigned long read = 0, iterations = strtoul(argv[2], NULL, 10);
    FILE *out = fopen("/dev/null", "w");
    char *path = memory_format("%s/weir.1.box", argv[3]);
    random_state = strtoull(argv[1], NULL, 10) * 2654435761u + 1;
    for (unsigned long i = 0; i < iterations && out; i++) {
        make_box();
        if (i) fuzz_change(areas, area_count, 12);
        write_box(path);
        read += fuzz_read(path, out);
        if (i == 0 && !read) return 1; /* the whole one */
    }
    printf("%lu of %lu boxes were read\n", read, iterations);
    (void)unlink(path);
    free(path);
    return out && fclose(out) == 0 && read > iterations / 4 ? 0 : 1;
}
