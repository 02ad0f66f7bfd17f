/* The options of the environment, read once before anything else works. A bad value is one line on standard error and
 * the default; a program is never stopped by one. doc/libweir.7.md has them for users. */
#ifndef WEIR_BASE_OPTIONS_H
#define WEIR_BASE_OPTIONS_H

#include "shim/base/base.h"
#include "shim/base/values.h"

enum option_level { LEVEL_DISABLED, LEVEL_SIMPLE, LEVEL_ADVANCED, LEVEL_PARANOID };
enum option_on_error { ON_ERROR_ABORT, ON_ERROR_REPORT };
enum option_on_limit { ON_LIMIT_FAIL, ON_LIMIT_RECLAIM, ON_LIMIT_COLLECT };
enum option_on_mismatch { ON_MISMATCH_REPORT, ON_MISMATCH_ABORT, ON_MISMATCH_OFF };
enum option_box { BOX_OFF, BOX_SITES, BOX_BLOCKS };
enum { DUMP_ON_EXIT = 1, DUMP_ON_SIGNAL = 2, DUMP_ON_LIMIT = 4, DUMP_ON_TERM = 8 };
enum option_on_crash { ON_CRASH_NONE, ON_CRASH_DUMP };
enum { LEAKS_AT_EXIT = 1, LEAKS_AT_SIGNAL = 2 };
enum { WATERMARK_LOG = 1, WATERMARK_DUMP = 2, WATERMARK_RECLAIM = 4 };

struct options {
    enum option_level level; /* WEIR_LEVEL */
    uint64_t sample_bytes;   /* WEIR_SAMPLE_BYTES, 2 to OPTION_SAMPLE_BYTES_MAX */
    uint64_t sample_blocks;  /* WEIR_SAMPLE_BLOCKS, 1 to OPTION_SAMPLE_BLOCKS_MAX */
    uint64_t sample_rate;    /* WEIR_SAMPLE_RATE, a second, 1 to OPTION_SAMPLE_RATE_MAX */
    uint64_t max_direct;     /* WEIR_MAX_DIRECT, bytes; UINT64_MAX: no ceiling */
    unsigned on_limit;       /* WEIR_ON_LIMIT, enum option_on_limit */
    unsigned on_error;       /* WEIR_ON_ERROR, enum option_on_error */
    unsigned on_crash;       /* WEIR_ON_CRASH, enum option_on_crash */
    unsigned on_mismatch;    /* WEIR_ON_MISMATCH, enum option_on_mismatch */
    bool pattern;            /* WEIR_PATTERN */
    bool free_stacks;        /* WEIR_FREE_STACKS */
    uint64_t reserve;        /* WEIR_RESERVE, bytes; 0: none */
    struct watermark {
        uint64_t percent, bytes; /* one of them; the other is 0 */
    } high, low;                 /* WEIR_HIGH_WATERMARK, WEIR_LOW_WATERMARK */
    unsigned on_watermark;       /* WEIR_ON_WATERMARK, a set of WATERMARK_… */
    uint64_t window;             /* WEIR_WINDOW, bytes of the arena; 0: as much as costs little */
    bool zero_on_free;           /* WEIR_ZERO_ON_FREE */
    bool guard;                  /* WEIR_GUARD */
    bool harden;                 /* WEIR_HARDEN; guard, pattern and check then hold too */
    bool check;                  /* WEIR_CHECK */
    bool deepbind;               /* WEIR_DEEPBIND */
    bool quiet;                  /* WEIR_QUIET */
    unsigned depth;              /* WEIR_DEPTH, frames, 1 to OPTION_DEPTH_MAX */
    unsigned target_records;     /* WEIR_TARGET_RECORDS, 0 to OPTION_TARGET_RECORDS_MAX */
    unsigned leaks;              /* WEIR_LEAKS, LEAKS_AT_… */
    struct scan_wishes scan;     /* WEIR_SCAN */
    unsigned dump_at;            /* WEIR_DUMP_AT, DUMP_ON_… */
    int signal;                  /* WEIR_SIGNAL, number; 0: none */
    const char *output;          /* WEIR_OUTPUT, a template */
    const char *box_dir;         /* WEIR_BOX_DIR, NULL: see box/format_box.h; answers to questions: /dev/shm or /tmp */
    unsigned box;                /* WEIR_BOX, enum option_box */
    uint64_t box_max;            /* WEIR_BOX_MAX, bytes, OPTION_BOX_LEAST at least */
    const char *run;             /* WEIR_RUN: set by `weir run`, tells its dumps from others; NULL */
};
extern struct options options;

#define OPTION_DEPTH_MAX          128u
#define OPTION_TARGET_RECORDS_MAX 1000u
#define OPTION_BOX_LEAST          (128 * KIB) /* a step of each area, and one more of sites and frames */
#define OPTION_SAMPLE_BYTES_MAX   ((uint64_t)1 << 40)
#define OPTION_SAMPLE_BLOCKS_MAX  1000000u
#define OPTION_SAMPLE_RATE_MAX    1000000u

void options_read(void);

/* Changes options of a running program: lines NAME=VALUE, which are overwritten. All of them, or none, and why. The
 * rooms that have looked at them are the caller's to tell. */
const char *options_change(char *lines);

/* Bytes; UINT64_MAX where there is no ceiling. */
uint64_t options_watermark(const struct watermark *w);

/* The value in force as text, for a dump; NULL when i is past the last option. */
const char *options_name(unsigned i);
void options_value(unsigned i, char *out, size_t size);

#endif
