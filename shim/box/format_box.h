/* The box: the part of the format that a process leaves where no dump could be written: after kill -9, an OOM kill, a
 * crash. It is a sparse file that the process has mapped shared, DIR/weir.UID/weir.PID.box (DIR: WEIR_BOX_DIR, else
 * XDG_RUNTIME_DIR, else /dev/shm, else the folder of the dumps; ".2", ".3" … before ".box" where that name is taken),
 * and it is removed when the process has ended in order. Before an exec it is only marked as one that has ended, since
 * the exec may fail; the next program of the process removes it, if it runs under weir. Areas lie at fixed places; what
 * was never written reads as zeros. It holds sites: what each has live is what its rows were made less what they were
 * given back; with WEIR_BOX=blocks, then the file is the larger of two sizes, live blocks one by one, too.
 *
 * A reader may come at any instant, for good if the process was killed then. What it finds:
 *
 *   1  header.magic is stored last, when all of the header and the strings and options that it names are there: a file
 *      without it is a box that was never begun, and tells nothing.
 *   2  A module is there if and only if its `end` is not 0, stored last: its segments and strings lie below it then.
 *   3  A frame is there if and only if its `outer` is not 0, stored last.
 *   4  A row of BOX_TOTALS is there if and only if its `stack` is not 0, stored last, when all frames of that stack and
 *      all modules of those are there; the first row is everybody's, of stack 0. Its counts are each a single store
 *      behind what has happened, in this order: samples, allocations, bytes; frees, freed_bytes, lifetimes, temporary.
 *      So of a block that was being made or given back one of the latter may be missing, and of no other.
 *   5  A refusal is there if and only if its `time` is not 0, stored last, after it was set to 0 first. Of the ring the
 *      one with the highest time is the newest.
 *   6  The numbers are each stored after they have changed, and again until they are what they are: one that is behind
 *      is so by what a thread was about to store.
 *   7  Steps that found no room, or came after the largest size, are memory of the process's own: they read as zeros,
 *      and header.lost counts them (stored before anything is written to one), but those of blocks, see 8. Where it is
 *      not 0 sites may be missing.
 *
 *   8  A block is there if and only if its `address` is not 0, stored last, behind its row's counts (4), and set to 0
 *      first, before those of its being given back. What realloc works on may be missing, or twice there, for a
 *      moment. Where header.blocks_lost is not 0 some have no record.
 *
 * A child of fork never writes to its parent's: its word that leads there is on a page that forks wipe (base/lock.h).
 * It makes its own when it first makes a tracked block. */
#ifndef WEIR_BOX_FORMAT_BOX_H
#define WEIR_BOX_FORMAT_BOX_H

#include "shim/box/format.h"

#define BOX_MAGIC   "WEIR-BOX" /* 8 bytes, no terminator */
#define BOX_VERSION 1u         /* changed only when an old reader would misread the file */

/* Where the areas lie, in bytes. Memory is taken in steps. */
#define BOX_STEP          (16u << 10)
#define BOX_AT_OPTIONS    4096u
#define BOX_AT_REFUSALS   8192u
#define BOX_AT_STRINGS    BOX_STEP
#define BOX_AT_MODULES    (1u << 20)
#define BOX_AT_SEGMENTS   (3u << 19)
#define BOX_AT_TOTALS     (2u << 20)
#define BOX_AT_FRAMES     (20u << 20)
#define BOX_SIZE          (84u << 20)
#define BOX_AT_BLOCKS     BOX_SIZE /* where header.blocks says so */
#define BOX_SIZE_BLOCKS   (BOX_AT_BLOCKS + (640u << 20))

#define BOX_OPTIONS_MOST  128u                              /* struct dump_option */
#define BOX_REFUSALS_MOST 64u                               /* struct dump_refusal; a ring */
#define BOX_STRINGS_MOST  (BOX_AT_MODULES - BOX_AT_STRINGS) /* bytes */
#define BOX_MODULES_MOST  4096u                             /* struct dump_module, by id */
#define BOX_SEGMENTS_MOST 16384u                            /* struct dump_segment */
#define BOX_TOTALS_MOST   131072u                           /* struct dump_total */
#define BOX_FRAMES_MOST   (1u << 22)                        /* struct box_frame, by id */
#define BOX_BLOCKS_MOST   (1u << 24) /* struct dump_block, in no order, with gaps; `stack` by id */

enum box_number {
    BOX_USED,      /* bytes charged */
    BOX_PEAK,      /* the highest that it ever was */
    BOX_PEAK_TIME, /* as STAT_DIRECT_PEAK_TIME */
    BOX_MAX,       /* the ceiling; 0: none is set */
    BOX_REFUSED,   /* requests */
    BOX_REFUSED_BYTES,
    BOX_HIGH_CROSSINGS, /* of the watermarks */
    BOX_LOW_CROSSINGS,
    BOX_SEEN,      /* CLOCK_MONOTONIC, coarse, ns: when the last of these changed */
    BOX_INHERITED, /* bytes of blocks of before a fork, as that found them: asked for, of sampled ones an estimate */
    BOX_THINNED,   /* as STAT_SAMPLE_THINNED */
    BOX_THINNED_NOW,
    BOX_NUMBERS = 16
};

enum box_end { BOX_RUNS = 0, BOX_ENDED = 1 /* in order, or by an exec: nobody needs it */ };

struct box_header {
    char magic[8];
    uint32_t version;
    uint32_t header_size;         /* sizeof(struct box_header) */
    struct dump_process process;  /* dump_time and exit_status are 0 and unknown */
    uint32_t options;             /* their number */
    uint32_t ended;               /* enum box_end */
    uint64_t sample_bytes;        /* as STAT_SAMPLE_…; 0: every block was tracked, or none */
    uint64_t sample_blocks;       /* the same */
    uint64_t lost;                /* steps that are not in the file */
    uint64_t inode;               /* of the file, as the process saw it: what /proc/PID/maps has */
    uint64_t namespace;           /* of its process numbers: the inode of /proc/self/ns/pid; 0: not known */
    uint64_t number[BOX_NUMBERS]; /* by enum box_number */
    uint64_t blocks;              /* 1: live tracked blocks are there */
    uint64_t blocks_lost;         /* not 0: some are not */
};
static_assert(sizeof(struct box_header) == 16 + 112 + 8 + 40 + 128 + 16, "box_header is 320 bytes");
#define BOX_HEADER_LEAST 304u /* without what was appended, which reads as zeros */

/* A frame of a stack, and by `outer` all outer ones: the id of the caller's, below BOX_ROOTS: there is none. A stack is
 * the id of its innermost frame. */
#define BOX_ROOTS 5u
struct box_frame {
    uint64_t frame; /* as in DUMP_FRAMES */
    uint32_t outer;
    uint16_t flags; /* DUMP_STACK_… of this and all outer ones */
    uint16_t how;   /* 1: an exact program counter, not a return address */
};
static_assert(sizeof(struct box_frame) == 16, "box_frame is 16 bytes");

static_assert(BOX_AT_REFUSALS + BOX_REFUSALS_MOST * sizeof(struct dump_refusal) <= BOX_AT_STRINGS, "refusals fit");
static_assert(BOX_AT_MODULES + BOX_MODULES_MOST * sizeof(struct dump_module) <= BOX_AT_SEGMENTS, "modules fit");
static_assert(BOX_AT_SEGMENTS + BOX_SEGMENTS_MOST * sizeof(struct dump_segment) <= BOX_AT_TOTALS, "segments fit");
static_assert(BOX_AT_TOTALS + BOX_TOTALS_MOST * sizeof(struct dump_total) <= BOX_AT_FRAMES, "totals fit");
static_assert(BOX_AT_FRAMES + BOX_FRAMES_MOST * sizeof(struct box_frame) <= BOX_SIZE, "frames fit");
static_assert(BOX_AT_BLOCKS + BOX_BLOCKS_MOST * sizeof(struct dump_block) <= BOX_SIZE_BLOCKS, "blocks fit");

#endif
