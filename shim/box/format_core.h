/* What a core of a process has for a reader that knows nothing of libweir.so's symbols: where its tables lie, and how.
 *
 * libweir.so has one struct core_beacon among its relocated constants, which every core has, since the loader has
 * written to them: kernels leave out of a core only pages of files that nobody has changed. Its `self` is its own
 * address, so that a copy of these bytes elsewhere is no beacon. It leads to the parts below, constants too, each
 * defined where the variables are that it names:
 *
 *   core_beacon -> core_arena -> arena.base, arena_slabs[], zones[], sides     (the variables; these lead to the
 * tables)
 *               -> core_stacks, core_modules, core_state, core_process, core_ceiling, core_search,
 *                  core_records, core_hints, core_pools, core_totals
 *
 * A number called at_… is the address of a variable of 8 bytes where nothing else is said; what is called in_… is the
 * offset of a field in bytes, and a stride the bytes from one record to the next. A reader that finds another version
 * than its own reads nothing. Words of a core may be half written, as its threads were stopped anywhere: what is true
 * of them at any instant stands in ARCHITECTURE.md, section 4. */
#ifndef WEIR_BOX_FORMAT_CORE_H
#define WEIR_BOX_FORMAT_CORE_H

#include "shim/box/format_box.h"

#define CORE_MAGIC   "\177weir's beacon\n\1" /* 16 bytes, no terminator */
#define CORE_VERSION 5u                      /* changed with any structure below, and with what the tables mean */

struct core_beacon {
    char magic[16];
    uint32_t version;
    uint32_t size;                                                              /* sizeof(struct core_beacon) */
    uint64_t self;                                                              /* its own address */
    uint64_t at_arena, at_stacks, at_modules, at_state, at_process, at_ceiling; /* of the parts */
    uint64_t at_search, at_records, at_hints, at_pools, at_totals;
};
static_assert(sizeof(struct core_beacon) == 120, "core_beacon is 120 bytes");

/* The arena: descriptors of slices, and of those that head a slab of tracked blocks the entries, a slice's 128 KiB
 * after the other's. */
struct core_arena {
    uint64_t at_base, at_slices;     /* of the window, its length in slices */
    uint64_t slice;                  /* bytes of one */
    uint64_t at_descriptors;         /* the first one's address */
    uint64_t stride;                 /* of descriptors */
    uint64_t zones, zone_stride;     /* the address of the first of the two; from one to the other */
    uint64_t in_first, in_writable;  /* of a zone: [first, writable) are the slices that were ever used */
    uint64_t at_sides, side_a_slice; /* the first entry's address, 0: nothing is tracked; bytes a slice */
    uint64_t at_link_key;            /* what links of free places are mixed with, as the place's address; 0: nothing */
    /* of a descriptor; bytes in brackets */
    uint64_t in_free, in_local_free, in_used, in_asleep;                /* [8] [8] [4] [4] */
    uint64_t in_owner, in_remote, in_size, in_reserved, in_capacity;    /* [8] [8] [4] [4] [4] */
    uint64_t in_committed, in_side_pages;                               /* [4] [1] charged: bytes of the slice, and
                                                                           pages of its entries */
    uint64_t in_kind, in_class, in_slices, in_head;                     /* [1] [1] [1] [4] */
    uint64_t in_run_side, in_run_bytes, in_run_slices, in_run_tracked;  /* [32] [8] [4] [1] */
    uint64_t owner_tracked, link_mark;                                  /* bits */
    uint64_t kind_slab, kind_run, kind_tail, kind_kept, kind_emergency; /* values */
    uint64_t classes, certain;                                          /* their number; what stands for none */
    /* What was ever handed out: rows of so many numbers of 8 bytes, of which [class] is a class's, and [classes] that
     * of runs; the address of the first, bytes that there are. Runs that are in none of the rows. */
    uint64_t at_counts, at_counts_committed, counts_a_row, at_counts_apart;
};

#define CORE_CLASSES_MOST 256u

/* The entry of a tracked block: 32 bytes. */
struct core_side {
    uint32_t state;  /* see below */
    uint32_t stack;  /* where it was made */
    uint32_t who;    /* its maker, or who gave it back where that was another thread */
    uint32_t latest; /* where it was given back; while it lives, where realloc made it larger; 0: nowhere */
    uint64_t size;   /* what was asked for, below its upper 16 bits */
    uint64_t time;   /* when it was made in 2^18 ns, 40 bits; what it was drawn by, 8 bits */
};
static_assert(sizeof(struct core_side) == 32, "core_side is 32 bytes");

/* Where nobody may write: behind a tracked block, and in its place while it is free, but for a link in front. (Zeros
 * there where freed memory is to have those.) */
#define CORE_BEHIND      0xb5u
#define CORE_BEHIND_MOST 256u /* bytes of it */
#define CORE_FREE        0xd7u
#define CORE_FREE_MOST   8192u /* bytes of it */

/* Of a live one's state, what is known of its block elsewhere: access records, that it is no leak, parts. */
#define CORE_RECORDED     128u
#define CORE_IGNORED      256u
#define CORE_POOLED       512u

#define CORE_NEVER(s)     ((s)->state == 0) /* no block was there yet */
#define CORE_LIVE(s)      (((s)->state & ~1023u) == 0x4c495000u)
#define CORE_FREED(s)     ((s)->state == 0x46524545u)
#define CORE_EPOCH(s)     ((s)->state & 127u) /* of a live one; forks before it, modulo 128 */
#define CORE_THREAD(s)    ((s)->who & 0x3fffffu)
#define CORE_THINNED(s)   ((s)->who >> 26 & 31u)
#define CORE_ELSEWHERE(s) ((s)->who >> 31)                      /* `who` is no more its maker */
#define CORE_SIZE(s)      ((s)->size & 0xffffffffffffull)       /* of a part, too */
#define CORE_TIME(s)      (((s)->time & 0xffffffffffull) << 18) /* the same, and of a record */
#define CORE_DRAWN(s)     ((uint32_t)((s)->time >> 40 & 255u))
#define CORE_GROWN(s)     (((s)->size >> 48 << 16 | (s)->time >> 48) << 26)

/* Records begin as struct box_frame does. */
struct core_stacks {
    uint64_t at_table, stride;
    uint64_t at_used, at_committed; /* records; bytes that there are */
    uint64_t at_lost;
};

struct core_modules {
    uint64_t at_table, stride;
    uint64_t at_count;                                            /* [4] */
    uint64_t in_bias, in_start, in_end, in_path, in_fingerprint;  /* [8] each; the path is an address */
    uint64_t in_flags, in_build_id_length, in_first, in_segments; /* [4] each */
    uint64_t in_build_id;                                         /* [DUMP_BUILD_ID_MAX] */
    uint64_t at_segments, at_segments_used;                       /* struct dump_segment[], as many */
    uint64_t at_lost;
    uint64_t program_path; /* address of a terminated text */
};

struct core_state {
    uint64_t at_pid, at_forked_from, at_epoch;    /* [4] each */
    uint64_t at_owner;                            /* [4] 0: a child of at_pid's, which has not come to weir since */
    uint64_t at_tracking, at_checked, at_sampled; /* [1] each */
    uint64_t at_fork_time, at_foreign_frees, at_bad_frees, at_mismatches, at_jumps, at_collected, at_collected_bytes;
};

struct core_process {
    uint64_t at_start_time, at_start_realtime;
    uint64_t at_level, at_sample_bytes, at_sample_blocks, at_pattern, at_depth; /* [4] [8] [8] [1] [4] */
    uint64_t at_zero_on_free;                                                   /* [1] */
    uint64_t at_thinned, at_most_thinned, at_samples, at_samples_lost;          /* [4] [4] [8] [8] as STAT_SAMPLE… */
    uint64_t at_dumps;                                                          /* [4] written so far */
    uint64_t at_name;                                                           /* address of a terminated text */
    uint64_t command_line, at_command_line_length;                              /* arguments, each terminated */
    uint64_t options, at_options_length;                                        /* NAME=VALUE, each terminated */
    uint64_t misuse;                                                            /* struct core_misuse */
};

/* Of the ceiling's counters. Refusal n lies at n modulo `refusals` of the ring; at_refused counts them. */
struct core_counters {
    uint64_t at_used, at_peak, at_peak_time, at_max, at_refused, at_refused_bytes, at_low_crossings, at_high_crossings;
    uint64_t at_loader; /* bytes, of those used, that are kept for ld.so */
    uint64_t ring;
};
struct core_ceiling {
    uint64_t at_counters; /* address of a struct core_counters */
    uint64_t refusals, stride;
    uint64_t in_time, in_requested, in_used, in_max, in_committed, in_frame; /* [8] each */
    uint64_t in_thread, in_operation, in_stack;                              /* [4] each */
    uint64_t at_tables; /* bytes charged for weir's own tables, but not for entries */
};

/* Access records (shim/box/records.h): heads of chains, nodes by number, of which the first is nobody's. */
struct core_records {
    uint64_t at_buckets, at_buckets_committed; /* the address of the first, 4 bytes each; bytes that there are */
    uint64_t at_nodes, at_nodes_committed;
    uint64_t at_used; /* [4] nodes ever made, and the first */
    uint64_t at_lost;
};
struct core_record {
    uint64_t block;  /* where it begins; 0: the node is free */
    uint64_t number; /* the lower 42 bits; above them a thread */
    uint64_t time;   /* in 2^18 ns, the lower 40 bits; then 8 of a kind, 16 of how many are older and there */
    uint32_t stack, detail;
    uint32_t next;  /* of a chain; 0: none */
    uint32_t older; /* of the same block */
};
static_assert(sizeof(struct core_record) == 40, "core_record is 40 bytes");
#define CORE_RECORD_NUMBER(r)   ((r)->number & 0x3ffffffffffull)
#define CORE_RECORD_THREAD(r)   ((uint32_t)((r)->number >> 42))
#define CORE_RECORD_KIND(r)     ((uint32_t)((r)->time >> 40 & 255u))
#define CORE_RECORD_POSITION(r) ((uint32_t)((r)->time >> 48))

/* What they were told, terminated texts one behind the other. A record's detail is where one begins, or CORE_HINT_LOST:
 * there was no room. */
struct core_hints {
    uint64_t at_texts, at_used, at_committed; /* the address of the first; bytes */
};
#define CORE_HINT_LOST UINT32_MAX

/* Parts that pools of the program's have given out (shim/box/pools.h): nodes, of which the first is nobody's. */
struct core_pools {
    uint64_t at_nodes, at_nodes_committed; /* the address of the first; bytes that there are */
    uint64_t at_used;                      /* [4] nodes ever made, and the first */
    uint64_t at_lost;
};
struct core_part {
    uint64_t start; /* 0: the node is free */
    uint64_t size;  /* the lower 48 bits; then 8 of the forks before it, and 8: not 0, it is no leak */
    uint64_t time;  /* in 2^18 ns, the lower 40 bits; above them a thread */
    uint32_t stack;
    uint32_t next;
};
static_assert(sizeof(struct core_part) == 32, "core_part is 32 bytes");
#define CORE_PART_EPOCH(p)   ((uint32_t)((p)->size >> 48 & 255u))
#define CORE_PART_IGNORED(p) ((p)->size >> 56 != 0)
#define CORE_PART_THREAD(p)  ((uint32_t)((p)->time >> 40))

/* What was ever made: the rows of a box (format_box.h), which lie in its file where there is one. Kernels leave that
 * out of a core, but not where coredump_filter asks for what is mapped shared. */
struct core_totals {
    uint64_t at_box;            /* where offset 0 of the file is mapped, or would be */
    uint64_t at_used;           /* [4] rows ever begun, and the first */
    uint64_t path;              /* address of a terminated text, the file's absolute path; empty: there is none */
    uint64_t at_peak, at_noted; /* bytes by 2^DUMP_TOTAL_SHIFT: the most that were live, and when rows noted a peak */
};

/* For whoever searches a core for pointers to blocks. */
struct core_search {
    uint64_t at_reserved, at_pages, at_ignored; /* addresses of the structures below */
    uint64_t own_start, own_end;                /* libweir.so, whose data leads to no block for the program */
    uint64_t at_unaligned, at_tags;             /* [1] [8] WEIR_SCAN */
    uint64_t at_storage, at_storage_count;      /* struct core_storage[], the address of the first; their number */
    uint64_t at_stacks_below, stacks; /* bytes below libc's control block in each thread: so many words, inverted: the
                                         stack for signals, 0: none, and blocks that were that before; 0: none */
    uint64_t at_owners,
        at_owners_used;       /* struct core_owner[], the address of the first; [4] ever made, and the first */
    uint64_t at_undumped;     /* [1] the program has asked for memory to be in no core */
    uint64_t at_kernel_keeps; /* [1] it has been given pointers to blocks (entry/kept.c) */
};

/* Who mapped what is charged of the program's own mappings; the first is nobody's. */
struct core_owner {
    uint64_t pages; /* that are its; 0: the record is free */
    uint64_t time;  /* CLOCK_MONOTONIC, coarse, ns */
    uint64_t size;  /* bytes asked for */
    uint64_t start;
    uint32_t stack, thread;
    uint32_t next, reserved;
};
static_assert(sizeof(struct core_owner) == 48, "core_owner is 48 bytes");
#define CORE_OWNERS_MOST (1u << 20)

/* Thread-local storage of a module that was loaded at start: it begins so many bytes below libc's control block in each
 * thread, and is made of the segment at an address of the module's. */
struct core_storage {
    uint64_t below, module;
};
#define CORE_STORAGE_MOST 128u

/* Address space of weir's own: start and end of each range, 8 bytes each; `most` can be noted, [4] were. */
struct core_reserved {
    uint64_t ranges, most, at_used;
};

/* What the program has mapped itself by libc, a bit a page and plane; shim/ceiling/pages.c has what entries mean. */
struct core_pages {
    uint64_t nodes, node_count, at_tables, node_shift, piece_shift;
    uint64_t totals, peaks; /* bytes by plane, 8 bytes each */
};
enum core_pages_plane { CORE_PAGES_OURS, CORE_PAGES_CHARGED, CORE_PAGES_MAPPED };

/* What the program has said is no leak: blocks that are not tracked, by where they begin (0: none); and memory whose
 * words lead to blocks wherever it lies, where `state` is `set`. */
struct core_ignored {
    uint64_t places, place_count;           /* 8 bytes each */
    uint64_t regions, region_count, stride; /* */
    uint64_t in_state, in_start, in_size;   /* [4] [8] [8] */
    uint64_t set;
};

/* The last misuse that weir has told of: most programs are ended by it. */
struct core_misuse {
    uint64_t address; /* of the block, or the pointer that led to none; 0: there was no misuse */
    uint32_t what;    /* as below */
    uint32_t thread;
};
enum core_misuse_kind {
    CORE_DOUBLE_FREE = 1,
    CORE_INTERIOR,   /* a pointer into a block was given back */
    CORE_NEVER_MADE, /* or one to where no block is */
    CORE_NO_HEAP,
    CORE_FOREIGN,
    CORE_CORRUPTED, /* a free block was written to */
    CORE_PAST_END,  /* a block was written to behind its end */
    CORE_AFTER_FREE /* what was a block was written to */
};

#endif
