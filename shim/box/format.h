/* The dump format: what the shim writes and the reporter reads. The one header that both sides share.
 *
 * A dump is a header followed by sections; all numbers are little-endian, all structures are packed by
 * construction (no implicit padding; the static_asserts below say so) and start at multiples of 8 bytes.
 *
 *   offset 0      struct dump_header                    64 bytes
 *          64     struct dump_section, payload, padding to 8
 *                 struct dump_section, payload, padding to 8
 *                 ...
 *                 struct dump_section of type DUMP_END, empty: a dump without it was cut short
 *
 * A section header carries the length and the CRC-32C of its payload, and a CRC-32C of itself. A reader checks the
 * length against what is left of the file before it believes it, skips types that it does not know, and takes from a
 * truncated file every section that is whole. Sections come at most once each, in any order but DUMP_END last.
 * A record array's stride is the record size that the section header names, so that a later version may append
 * fields: a reader uses what it knows, and takes what an earlier version did not write for 0. It refuses a stride that
 * is smaller than that of the first version.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC unless a name says realtime (nanoseconds since 1970-01-01 UTC).
 * Sizes are bytes. An id of a stack or module is an index into its section's array.
 */
#ifndef WEIR_BOX_FORMAT_H
#define WEIR_BOX_FORMAT_H

#include <assert.h>
#include <stdint.h>

#define DUMP_MAGIC   "WEIRDUMP" /* 8 bytes, no terminator */
#define DUMP_VERSION 1u         /* changed only when an old reader would misread the file */

struct dump_header {
    char magic[8];
    uint32_t version;
    uint32_t header_size;   /* sizeof(struct dump_header); sections begin here */
    uint64_t file_size;     /* of the whole dump; 0 while it is being written */
    uint64_t time_realtime; /* when the dump was begun */
    uint32_t sections;      /* their number, DUMP_END included; 0 while it is being written */
    uint32_t pid;           /* of the program, as it saw itself */
    uint8_t reserved[20];   /* zero */
    uint32_t crc;           /* CRC-32C of the 60 bytes before this one */
};
static_assert(sizeof(struct dump_header) == 64, "dump_header is 64 bytes");

enum dump_section_type {
    DUMP_PROCESS = 1,   /* one struct dump_process */
    DUMP_STRINGS = 2,   /* bytes; strings are named by offset and length into it */
    DUMP_OPTIONS = 3,   /* struct dump_option[]: the options in force */
    DUMP_MODULES = 4,   /* struct dump_module[] */
    DUMP_SEGMENTS = 5,  /* struct dump_segment[]: the loadable segments of all modules */
    DUMP_FRAMES = 6,    /* uint64_t[]: the frames of all stacks, see DUMP_FRAME_MODULE */
    DUMP_STACKS = 7,    /* struct dump_stack[]; the first one stands for no stack */
    DUMP_SITES = 8,     /* struct dump_site[]: what is live of each stack, its blocks added up */
    DUMP_BLOCKS = 9,    /* struct dump_block[]: every live tracked block */
    DUMP_STATS = 10,    /* struct dump_stat[] */
    DUMP_CLASSES = 11,  /* struct dump_class[]: size classes in use */
    DUMP_REFUSALS = 12, /* struct dump_refusal[]: the newest refusals, oldest first */
    DUMP_THREADS = 13,  /* struct dump_thread[] */
    DUMP_GROWN = 14,    /* struct dump_grown[]: the blocks that realloc made larger, or as many of them as were noted */
    DUMP_MEMORY = 15,   /* struct dump_memory[]: where the process's memory is */
    DUMP_UNACCOUNTED = 16,  /* struct dump_unaccounted[]: what nobody accounts for of it, the largest first */
    DUMP_MAPPINGS = 17,     /* struct dump_mapping[]: the program's own mappings, as far as they are charged */
    DUMP_TOTALS = 18,       /* struct dump_total[]: what was added up of each stack, ever */
    DUMP_RECORDS = 19,      /* struct dump_record[]: where live blocks were accessed, those of a block in any order */
    DUMP_JIT = 27,          /* struct dump_jit[]: names of code outside of any module, where frames are in such */
    DUMP_PATHS = 28,        /* struct dump_path[]: of sites whose blocks were judged, one way to one of them */
    DUMP_STEPS = 29,        /* struct dump_step[]: the blocks on these ways */
    DUMP_MARKS = 30,        /* struct dump_mark[]: moments that somebody has named */
    DUMP_SUPPRESSIONS = 40, /* bytes: the list of the program's own __lsan_default_suppressions(), where it has one */
    DUMP_POOLS = 41,        /* struct dump_block[]: parts of blocks that pools of the program's have given out */
    DUMP_DOINGS = 44,       /* struct dump_doing[]: of a core, its threads (format_doing.h) */
    DUMP_NEARS = 45,        /* struct dump_near[]: of a core, the blocks that its end was about */
    DUMP_END = 0x444e45     /* "END"; no payload */
};

struct dump_section {
    uint32_t type;       /* enum dump_section_type */
    uint32_t stride;     /* bytes of one record; 1 for DUMP_STRINGS and DUMP_SUPPRESSIONS, 0 for DUMP_END */
    uint64_t length;     /* payload bytes, without padding; a multiple of stride */
    uint32_t crc;        /* CRC-32C of the payload */
    uint32_t header_crc; /* CRC-32C of the 20 bytes before this one */
};
static_assert(sizeof(struct dump_section) == 24, "dump_section is 24 bytes");

/* A string: length bytes at offset of DUMP_STRINGS; not terminated, any bytes (paths and names may hold anything). */
struct dump_string {
    uint32_t offset;
    uint32_t length;
};

enum dump_reason {
    DUMP_AT_EXIT = 1,
    DUMP_AT_SIGNAL = 2,
    DUMP_AT_LIMIT = 3,
    DUMP_AT_EXEC = 4,
    DUMP_AT_TERM = 6,  /* SIGTERM or SIGINT, for which the program has no handler */
    DUMP_AT_CRASH = 7, /* a signal that ends it by a core: a fault, an abort */
    DUMP_AT_CORE = 8,  /* made of a core (format_core.h): as it was when that was taken */
    DUMP_LEFT = 5      /* none was written: made of the process's box (format_box.h), as it was at dump_time or later */
};

/* What was tracked, not what was asked for: at simple and advanced blocks were drawn, by what STAT_SAMPLE_… say. */
enum dump_level { DUMP_DISABLED = 0, DUMP_SIMPLE = 1, DUMP_ADVANCED = 2, DUMP_PARANOID = 3 };

#define DUMP_STATUS_UNKNOWN 0xffffffffu

/* Questions to a running program: the dump signal, sent by sigqueue with a number from 1 to 2^29 - 1 that the asker has
 * drawn, its cookie. The answer is a line in DIR/weir.PID.COOKIE.reply (DIR: WEIR_BOX_DIR, else /dev/shm, else /tmp;
 * PID as the program sees itself): "ok PATH" of the dump that was written, or "error WHY". With the bit below the
 * cookie stands for DIR/weir.PID.COOKIE.set, lines of WEIR_…=VALUE that are to hold from now on, in a file of the
 * program's user or of root, of fewer than DUMP_SETTINGS_MAX bytes, or for a mark (DUMP_MARK_SETTING); the answer is
 * "ok changed" or "error WHY", and then nothing has changed. With the second bit the dump has verdicts whatever
 * WEIR_LEAKS says; with the third there is none, but memory is searched so that the next one can be compared with it,
 * and the answer is "ok searched". */
#define DUMP_QUESTION_SETS     0x80000000u
#define DUMP_QUESTION_SEARCHES 0x40000000u
#define DUMP_QUESTION_LOOKS    0x20000000u
#define DUMP_QUESTIONS         0xe0000000u /* the bits above */
#define DUMP_SETTINGS_MAX      2048

struct dump_process {
    uint32_t pid;
    uint32_t parent_pid;
    uint32_t reason;      /* enum dump_reason */
    uint32_t level;       /* enum dump_level */
    uint32_t exit_status; /* 0 to 255, DUMP_STATUS_UNKNOWN while it runs or where exit() hides it */
    uint32_t number;      /* dumps of this process so far, this one included */
    uint32_t page_size;
    uint32_t pointer_size;   /* 8 */
    uint64_t start_realtime; /* when weir came up in this process image; a fork child inherits it */
    uint64_t start_time;     /* the same instant, monotonic */
    uint64_t fork_time;      /* when this process was forked, 0 if it began by exec; older blocks are inherited: they
                                count, and are not listed */
    uint64_t dump_time;      /* when this dump was begun, monotonic */
    uint64_t max_direct;     /* the ceiling; 0: none is set */
    struct dump_string name; /* program name, as in the kernel's comm but not cut to 15 bytes */
    struct dump_string exe;  /* path of the executable */
    struct dump_string command_line; /* arguments, each ended by a zero byte */
    struct dump_string machine;      /* "x86_64" */
    uint32_t forked_from;            /* the process whose blocks it has inherited; 0: none, or it is not known */
    uint32_t killed_by; /* the number of the signal that ends it: of DUMP_AT_CRASH and DUMP_AT_TERM, and where whoever
                           made the dump of a box or core knows; 0: none, or nobody knows */
};
static_assert(sizeof(struct dump_process) == 112, "dump_process is 112 bytes");
#define DUMP_PROCESS_LEAST 104 /* bytes of a record without what was appended */

struct dump_option {
    struct dump_string name;  /* WEIR_… */
    struct dump_string value; /* as in force, after defaults */
};

#define DUMP_BUILD_ID_MAX 32

struct dump_module {
    uint64_t bias;           /* address in memory minus address in the file's program headers */
    uint64_t start, end;     /* the address range that the loader gave it */
    struct dump_string path; /* as the loader knew it; the executable's own path for the program */
    uint32_t first_segment;  /* index into DUMP_SEGMENTS */
    uint32_t segments;
    uint32_t flags;           /* DUMP_MODULE_… */
    uint32_t build_id_length; /* 0: it has none */
    uint8_t build_id[DUMP_BUILD_ID_MAX];
    uint64_t fingerprint; /* of its file, see below; 0: it has a build-id, or nothing is known */
};
static_assert(sizeof(struct dump_module) == 88, "dump_module is 88 bytes");
#define DUMP_MODULE_LEAST 80 /* bytes of a record without what was appended */

/* What tells a file without a build-id from others: over the first so many bytes of the segment that is not writable
 * and begins at the file's start, and of the PT_GNU_EH_FRAME segment, in the order of the program headers. */
#define DUMP_FINGERPRINT_BYTES 4096u
static inline uint64_t dump_fingerprint(uint64_t hash, const unsigned char *bytes, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u + 1;
    return hash;
}

#define DUMP_MODULE_WEIR    1u /* libweir.so itself */
#define DUMP_MODULE_VDSO    2u /* the kernel's; it has no file */
#define DUMP_MODULE_PROGRAM 4u /* the executable */
#define DUMP_MODULE_MALLOC  8u /* the malloc that all modules call is in this one, not in libweir.so */

struct dump_segment {
    uint64_t address;     /* p_vaddr */
    uint64_t size;        /* p_memsz */
    uint64_t file_offset; /* p_offset */
    uint32_t flags;       /* p_flags: PF_R, PF_W, PF_X */
    uint32_t module;
};
static_assert(sizeof(struct dump_segment) == 32, "dump_segment is 32 bytes");

/* A frame: the module's id in the upper 16 bits, and in the lower 48 the program counter minus the module's bias (an
 * address as in the file's program headers and DWARF). Module DUMP_NO_MODULE: code outside of any module (JIT), the
 * lower 48 bits are the program counter itself. Frames are return addresses, so a name is looked up one byte before,
 * but for the frame that a signal interrupted (see DUMP_STACK_… and struct dump_stack). Innermost frame first; frames
 * inside libweir.so are left out. */
#define DUMP_FRAME_MODULE(f) ((uint32_t)((f) >> 48))
#define DUMP_FRAME_OFFSET(f) ((f)&0xffffffffffffULL)
#define DUMP_NO_MODULE       0xffffu

struct dump_stack {
    uint32_t first_frame; /* index into DUMP_FRAMES */
    uint16_t frames;
    uint16_t flags; /* DUMP_STACK_… */
    uint64_t exact; /* bit i set: frame i is an exact program counter, not a return address (i < 64) */
};
static_assert(sizeof(struct dump_stack) == 16, "dump_stack is 16 bytes");

#define DUMP_STACK_CUT   1u /* deeper than WEIR_DEPTH: outer frames were left out */
#define DUMP_STACK_LOST  2u /* unwinding ended before the outermost frame: no unwind information there */
#define DUMP_STACK_NONE  4u /* no stack could be taken (inside the loader, alternate stack, table full) */
#define DUMP_STACK_GUESS 8u /* some frames were found by frame pointers, without unwind information */

struct dump_site {
    uint32_t stack;
    uint32_t threads;          /* distinct threads among the live blocks' makers, at most 16 counted */
    uint64_t blocks;           /* live, made by this process */
    uint64_t bytes;            /* asked for, of those */
    uint64_t oldest, newest;   /* when the first and the last of them were made; 0: not known */
    uint64_t inherited_blocks; /* live, made before this process was forked; 0 where only their sum is known */
    uint64_t inherited_bytes;
    uint64_t pinned; /* bytes of its blocks' slabs that are free and stay because blocks are there: their share of it */
    double weight;   /* where there are no blocks: as many as each of them stands for in the mean; 0: for itself */
};
static_assert(sizeof(struct dump_site) == 72, "dump_site is 72 bytes");
#define DUMP_SITE_LEAST 56 /* bytes of a record without what was appended */

enum dump_verdict { DUMP_UNKNOWN = 0, DUMP_LEAKED = 1, DUMP_INDIRECT = 2, DUMP_POSSIBLE = 3, DUMP_IN_USE = 4 };

struct dump_block {
    uint64_t address;
    uint64_t size; /* asked for */
    uint64_t time; /* when it was made; before fork_time: inherited */
    uint32_t stack;
    uint32_t thread;  /* kernel thread id of its maker */
    uint32_t verdict; /* enum dump_verdict */
    float weight;     /* 1 / p, where the block was tracked with probability p: so many it stands for; 0: itself */
};
static_assert(sizeof(struct dump_block) == 40, "dump_block is 40 bytes");

/* Of one stack, the part that one heap's threads saw; those of a stack are to be added up. Numbers of blocks and bytes
 * are in units of 2^-10: where blocks were drawn, each counts as so many as it stands for. Rows of stacks that matter
 * little are one, of stack 0. A number below zero, of blocks or bytes that other threads' rows have, is one modulo
 * 2^64.
 */
#define DUMP_TOTAL_SHIFT 10
#define DUMP_LIFETIMES   16
struct dump_total {
    uint32_t stack;
    uint32_t heap;                      /* whose, by 128; the rest is the writer's */
    uint32_t next;                      /* the writer's */
    uint32_t samples;                   /* blocks that were tracked */
    uint64_t allocations, bytes;        /* ever made; what realloc has made them larger by counts too */
    uint64_t frees, freed_bytes;        /* ever given back; live is the difference */
    uint64_t temporary;                 /* of those, by the thread that made them, before it made another one */
    uint64_t peak_blocks, peak_bytes;   /* live when the process had most live */
    uint32_t lifetimes[DUMP_LIFETIMES]; /* of tracked blocks that were given back: below 2^20 ns, and so on by powers of
                                           four; the last one: longer */
};
static_assert(sizeof(struct dump_total) == 136, "dump_total is 136 bytes");

/* A block of DUMP_BLOCKS whose size is what realloc made of it. */
struct dump_grown {
    uint64_t address;
    uint64_t size;
    uint64_t time;  /* when realloc last made it larger */
    uint32_t stack; /* where that was */
    uint32_t made;  /* the stack of its creation: its site */
};
static_assert(sizeof(struct dump_grown) == 32, "dump_grown is 32 bytes");

/* How a block was accessed. Unknown kinds are accesses of which no more is known. */
enum dump_record_kind {
    RECORD_TOUCH = 1, /* weir_touch */
    RECORD_REALLOC = 2,
    RECORD_READ = 3, /* from here on calls of that name, with a descriptor */
    RECORD_PREAD = 4,
    RECORD_READV = 5,
    RECORD_PREADV = 6,
    RECORD_RECV = 7,
    RECORD_RECVFROM = 8,
    RECORD_RECVMSG = 9,
    RECORD_RECVMMSG = 10,
    RECORD_WRITE = 11,
    RECORD_PWRITE = 12,
    RECORD_WRITEV = 13,
    RECORD_PWRITEV = 14,
    RECORD_SEND = 15,
    RECORD_SENDTO = 16,
    RECORD_SENDMSG = 17,
    RECORD_SENDMMSG = 18
};

/* An access of a block of DUMP_BLOCKS. The newest one of each block is there; of the others that are not, `number` of
 * the newest tells how many there were. */
struct dump_record {
    uint64_t address; /* where the block begins */
    uint64_t number;  /* of all accesses of the block, from 1 */
    uint64_t time;
    uint32_t stack;          /* where it was accessed */
    uint32_t made;           /* the stack of its creation: its site */
    uint32_t verdict;        /* the block's, enum dump_verdict */
    uint32_t thread;         /* kernel thread id of who accessed it */
    uint32_t kind;           /* enum dump_record_kind */
    int32_t fd;              /* of the call, -1: it has none */
    struct dump_string hint; /* TOUCH: what it was told, empty: nothing */
};
static_assert(sizeof(struct dump_record) == 56, "dump_record is 56 bytes");

/* How full a slab is: no block in it; up to a quarter, a half, three quarters of its places; more; all. */
#define DUMP_OCCUPANCIES 6

struct dump_class {
    uint64_t size; /* bytes of a place; 0: runs and huge blocks taken together */
    uint64_t slabs;
    uint64_t live;                        /* blocks */
    uint64_t capacity;                    /* places committed */
    uint64_t committed;                   /* bytes charged for its slabs, or runs */
    uint32_t occupancy[DUMP_OCCUPANCIES]; /* slabs by their share of places in use */
    uint64_t made; /* places, or runs, ever handed out; those given back are the ones that are not live */
};
static_assert(sizeof(struct dump_class) == 72, "dump_class is 72 bytes");
#define DUMP_CLASS_LEAST 32 /* bytes of a record without what was appended */

struct dump_refusal {
    uint64_t time;
    uint64_t requested, used, max; /* bytes asked for, in use then, and the ceiling */
    uint32_t thread;
    uint32_t operation; /* enum dump_operation */
    uint64_t frame;     /* the caller, as in DUMP_FRAMES */
    uint64_t committed; /* bytes that were to be committed for it; 0: not known */
    uint32_t stack;     /* of the request; 0: none was taken */
    uint32_t reserved;
};
static_assert(sizeof(struct dump_refusal) == 64, "dump_refusal is 64 bytes");
#define DUMP_REFUSAL_LEAST 48 /* bytes of a record without what was appended */

enum dump_operation {
    OP_MALLOC = 1,
    OP_CALLOC = 2,
    OP_REALLOC = 3,
    OP_ALIGNED = 4,
    OP_NEW = 5,
    OP_TABLE = 6,
    OP_MMAP = 7
};

/* What is charged of a call that mapped memory, made by this process. */
struct dump_mapping {
    uint64_t address; /* where it began */
    uint64_t size;    /* bytes asked for */
    uint64_t charged; /* bytes that are left of it, private, anonymous and writable */
    uint64_t time;    /* when it was made */
    uint32_t stack;
    uint32_t thread; /* kernel thread id of its maker */
};
static_assert(sizeof(struct dump_mapping) == 40, "dump_mapping is 40 bytes");

/* Rows whose `resident` adds up to the kernel's figure, and whose `charged` adds up to STAT_DIRECT_USED. */
enum dump_memory_kind {
    MEMORY_NONE = 0,         /* no row */
    MEMORY_LIVE = 1,         /* live blocks: bytes asked for where that is known, else of their places */
    MEMORY_ROUNDING = 2,     /* what their places have more */
    MEMORY_PINNED = 3,       /* free places in slabs that stay because of a block */
    MEMORY_CACHED = 4,       /* free and retained: slabs, slices and runs without a block */
    MEMORY_TABLES = 5,       /* weir's own tables */
    MEMORY_LOADER = 6,       /* charged and kept for ld.so */
    MEMORY_MAPPINGS = 7,     /* the program's own private, anonymous, writable mappings */
    MEMORY_RESERVED = 8,     /* those that are not writable */
    MEMORY_STACKS = 9,       /* of threads */
    MEMORY_BREAK = 10,       /* below the program break: made before weir, or by what it does not see */
    MEMORY_FILES = 11,       /* the program and its libraries, other files mapped private; their private copies too */
    MEMORY_SHARED = 12,      /* shared memory, and files mapped shared */
    MEMORY_UNACCOUNTED = 13, /* see DUMP_UNACCOUNTED */
    MEMORY_KINDS = 14
};

struct dump_memory {
    uint32_t kind; /* enum dump_memory_kind; unknown ones are rows without a name */
    uint32_t reserved;
    uint64_t resident; /* bytes; 0 in all rows: it could not be found out */
    uint64_t charged;  /* bytes that count against the ceiling */
    uint64_t count;    /* parts of the address space that it was found in; 0: not counted */
};
static_assert(sizeof(struct dump_memory) == 32, "dump_memory is 32 bytes");

struct dump_unaccounted {
    uint64_t address, size, resident; /* bytes */
    uint32_t permissions;             /* 4: readable, 2: writable, 1: executable */
    uint32_t reserved;
};
static_assert(sizeof(struct dump_unaccounted) == 32, "dump_unaccounted is 32 bytes");

/* Code outside of any module (DUMP_NO_MODULE), by the process's perf map: a line of it where some frame of the dump is
 * in its range, in the map's order, so that of those that cover an address the last one is meant. A frame counts by the
 * byte before it where it is a return address. The first record is of the map itself: `start` is when it was last
 * written (realtime), `size` 0, `name` its path, `flags` an enum dump_jit_map. No records: no frame is in such code. */
struct dump_jit {
    uint64_t start;
    uint64_t size;
    struct dump_string name; /* as it stands there: a signature, a kind and a place, whatever the runtime writes */
    uint32_t flags;          /* DUMP_JIT_… */
    uint32_t reserved;
};
static_assert(sizeof(struct dump_jit) == 32, "dump_jit is 32 bytes");

#define DUMP_JIT_REUSED 1u /* lines before this one give other names to an address of it: other code was there */

enum dump_jit_map {
    JIT_MAP_READ = 1,
    JIT_MAP_NONE = 2,    /* there is none */
    JIT_MAP_OLD = 3,     /* written before the process began: another's, of the same number */
    JIT_MAP_FOREIGN = 4, /* no regular file, or its owner is neither the process's user nor root */
    JIT_MAP_FAILED = 5,  /* it cannot be read */
    JIT_MAP_LARGE = 6    /* it is larger, or names code more often, than anybody should wait for */
};

#define DUMP_JIT_MAP_MOST (128ull << 20) /* bytes of a map */
#define DUMP_JIT_MAP_BEHIND                                                                                            \
    20000000u                    /* ns that a file's time may be behind the clock: two ticks of the slowest kernel */
#define DUMP_JIT_NAME_MOST 1024u /* bytes of a name; what is longer is cut */

/* A line of a perf map: start and size, hexadecimal, perhaps with 0x in front; behind one blank the name, up to the end
 * of the line. False: it is none. */
static inline unsigned dump_jit_digit(unsigned char c) {
    unsigned letter = (c | 32u) - 'a', digit = c - (unsigned)'0';
    return digit < 10 ? digit : letter < 6 ? letter + 10 : 16;
}
static inline const char *dump_jit_hex(const char *at, const char *end, uint64_t *value) {
    const char *first;
    unsigned digit;
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    if (end - at > 2 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) at += 2;
    *value = 0;
    for (first = at; at < end && at - first < 16 && (digit = dump_jit_digit((unsigned char)*at)) < 16; at++)
        *value = *value << 4 | digit;
    return at > first && at < end && (*at == ' ' || *at == '\t') ? at : 0;
}
static inline int dump_jit_line(const char *line, const char *end, uint64_t *start, uint64_t *size, const char **name) {
    const char *at = dump_jit_hex(line, end, start);
    if (at) at = dump_jit_hex(at, end, size);
    if (!at || *size == 0 || *start + *size < *start || ++at >= end) return 0;
    *name = at;
    return 1;
}

#include "shim/box/format_doing.h" /* DUMP_DOINGS, DUMP_NEARS */
#include "shim/box/format_marks.h" /* DUMP_MARKS */
#include "shim/box/format_paths.h" /* DUMP_PATHS, DUMP_STEPS */
#include "shim/box/format_stats.h" /* DUMP_STATS */

struct dump_thread {
    uint32_t thread; /* kernel thread id */
    uint32_t reserved;
    struct dump_string name; /* as it was when it was seen, empty: unknown */
};
static_assert(sizeof(struct dump_thread) == 16, "dump_thread is 16 bytes");

#endif
