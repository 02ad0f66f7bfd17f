/* Reads a box after each instruction of the program that writes it: published PROGRAM ARGS, with weir preloaded to the
 * program alone by WEIR_SHIM. The program, `published` itself without arguments, makes blocks at new sites between two
 * stops; from the first of them on, or from its very start with FROM_START, it is run one instruction at a time, and
 * whatever its box holds must be whole (the invariants of shim/box/format_box.h). */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/box/format_box.h"

/* --- the program --- */

/* As many places in the code. */
__attribute__((noinline)) static void *site_0(void) {
    void *volatile block = malloc(100);
    return block;
}
__attribute__((noinline)) static void *site_1(void) {
    void *volatile block = malloc(101);
    return block;
}
__attribute__((noinline)) static void *site_2(void) {
    void *volatile block = malloc(102);
    return block;
}
__attribute__((noinline)) static void *site_3(void) {
    void *volatile block = malloc(103);
    return block;
}

static int make_blocks(void) {
    (void)raise(SIGSTOP);
    void *blocks[] = {site_0(), site_1(), site_2(), site_3(), site_0()};
    char name[] = "4096";
    void *by_library = strdup(name); /* a module that no frame was in yet */
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) free(blocks[i]);
    free(by_library);
    (void)raise(SIGSTOP);
    return 0;
}

/* --- the reader --- */

static const char *box; /* mapped; NULL: there is none as yet */

static const char *wrong_module(uint32_t id) {
    const struct dump_module *module = (const void *)(box + BOX_AT_MODULES + (size_t)id * sizeof *module);
    if (id == DUMP_NO_MODULE || id >= BOX_MODULES_MOST) return NULL;
    if (!module->end) return "a frame is there, and its module is not";
    if (module->start >= module->end || module->build_id_length > DUMP_BUILD_ID_MAX) return "a module is not whole";
    if (module->path.length == 0 || box[BOX_AT_STRINGS + module->path.offset] != '/') return "no path";
    const struct dump_segment *segments = (const void *)(box + BOX_AT_SEGMENTS);
    if (module->segments == 0) return "a module has no segments";
    for (uint32_t i = 0; i < module->segments; i++)
        if (segments[module->first_segment + i].module != id || !segments[module->first_segment + i].size)
            return "a segment is not whole";
    return NULL;
}

static const char *wrong_stack(uint32_t id) {
    const struct box_frame *frames = (const void *)(box + BOX_AT_FRAMES);
    unsigned depth = 0;
    for (; id >= BOX_ROOTS; id = frames[id].outer, depth++) {
        if (!frames[id].outer) return "a stack is there, and a frame of it is not";
        const char *why = frames[id].frame ? wrong_module(DUMP_FRAME_MODULE(frames[id].frame)) : "a frame is empty";
        if (why) return why;
    }
    return depth ? NULL : "a stack without frames";
}

static const char *wrong_row(const struct dump_total *row) {
    uint64_t one = 1u << DUMP_TOTAL_SHIFT;
    if (row->samples * one - row->allocations > one) return "samples and allocations are apart by more than one";
    if (row->allocations / one * 200 < row->bytes / one) return "more bytes than blocks have";
    if (row->frees > row->allocations || row->freed_bytes > row->bytes) return "more was given back than made";
    return wrong_stack(row->stack);
}

static unsigned seen, seen_blocks; /* rows and blocks at most */
static bool has_blocks;

/* No more blocks of a stack are there than its row has live ones. */
static const char *wrong_blocks(const struct dump_total *rows) {
    const struct dump_block *blocks = (const void *)(box + BOX_AT_BLOCKS);
    unsigned live[64] = {0}, there = 0;
    for (unsigned i = 0; i < 2048; i++) {
        const struct dump_block *block = &blocks[i];
        if (!block->address) continue;
        if (block->size == 0 || block->size > 1 << 20 || !block->time || !block->thread) return "a block is not whole";
        if (block->weight != 0) return "a block has another's weight"; /* each was tracked */
        unsigned row = 1;
        while (row < 64 && rows[row].stack != block->stack) row++;
        if (row == 64) return "a block of which there is no row";
        if (++live[row] > (rows[row].allocations - rows[row].frees) >> DUMP_TOTAL_SHIFT) return "more blocks than live";
        there++;
    }
    if (there > seen_blocks) seen_blocks = there;
    return NULL;
}

static const char *wrong(void) {
    const struct box_header *header = (const void *)box;
    const struct dump_total *rows = (const void *)(box + BOX_AT_TOTALS);
    static const char none[8];
    unsigned there = 0;
    if (memcmp(header->magic, none, sizeof none) == 0) return NULL;
    if (memcmp(header->magic, BOX_MAGIC, sizeof header->magic) != 0 && header->magic[7] != 0) return "a torn magic";
    if (header->version != BOX_VERSION || !header->process.pid || !header->options) return "a header that is not whole";
    if (header->number[BOX_USED] > header->number[BOX_PEAK] + (1u << 20)) return "far more is used than ever was";
    for (unsigned i = 1; i < BOX_TOTALS_MOST && i < 64; i++) {
        if (!rows[i].stack) continue;
        const char *why = wrong_row(&rows[i]);
        if (why) return why;
        there++;
    }
    if (there > seen) seen = there;
    return has_blocks ? wrong_blocks(rows) : NULL;
}

static void find_box(pid_t pid) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/weir.%d/weir.%d.box", getenv("WEIR_BOX_DIR"), (int)geteuid(), (int)pid);
    int fd = open(path, O_RDONLY);
    if (fd < 0) return;
    off_t size = lseek(fd, 0, SEEK_END);
    if (size == BOX_SIZE || size == BOX_SIZE_BLOCKS) {
        void *at = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
        if (at != MAP_FAILED) box = at;
        has_blocks = size == BOX_SIZE_BLOCKS;
    }
    (void)close(fd);
}

/* Runs until its next stop; by single steps where `steps` counts them. */
static int go_on(pid_t pid, unsigned long *steps) {
    int status = 0;
    for (;;) {
        if (ptrace(steps ? PTRACE_SINGLESTEP : PTRACE_CONT, pid, NULL, NULL) != 0) return -1;
        if (waitpid(pid, &status, 0) != pid) return -1;
        if (!WIFSTOPPED(status) || WSTOPSIG(status) == SIGSTOP) return status;
        if (!steps) continue;
        if (!box && ++*steps % 64 == 0) find_box(pid);
        const char *why = box ? wrong() : NULL;
        ++*steps;
        if (!why) continue;
        printf("after %lu steps: %s\n", *steps, why);
        (void)kill(pid, SIGKILL);
        return -1;
    }
}

int main(int argc, char **argv) {
    if (argc < 2) return make_blocks();
    unsigned long steps = 0;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        (void)setenv("LD_PRELOAD", getenv("WEIR_SHIM"), 1);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(9);
        (void)execv(argv[1], argv + 1);
        _exit(9);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) return 1;
    status = go_on(pid, getenv("FROM_START") ? &steps : NULL); /* to the first stop */
    if (!box) find_box(pid);
    if (status < 0 || !WIFSTOPPED(status)) return 1;
    status = go_on(pid, &steps);
    if (status < 0 || !WIFSTOPPED(status)) return 1;
    printf("%lu steps, %u rows seen, %u blocks\n", steps, seen, seen_blocks);
    (void)kill(pid, SIGKILL);
    return box && seen >= 5 && (!has_blocks || seen_blocks >= 5) ? 0 : 1;
}
