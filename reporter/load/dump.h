/* A dump in memory, checked: every index in it is in range or belongs to a section that could not be read.
 *
 * dump_open never fails to return: what was wrong is in `problems`, and `usable` says whether there is anything to
 * report. A section that is cut, damaged or holds a dangling index is dropped whole, and named in a problem.
 */
#ifndef WEIR_LOAD_DUMP_H
#define WEIR_LOAD_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "reporter/load/ages.h"
#include "reporter/load/estimate.h"
#include "reporter/load/sizes.h"
#include "shim/box/format.h"

#define DUMP_SECTION_TYPES 46 /* by number, DUMP_PROCESS and on; some are nobody's */

struct text { /* bytes of a dump: any bytes, not terminated */
    const char *bytes;
    size_t length;
};

enum section_state { SECTION_ABSENT, SECTION_FOUND, SECTION_WHOLE, SECTION_DROPPED };

struct section {
    enum section_state state;
    uint64_t position; /* of its payload in the file */
    uint64_t length;
    uint32_t stride; /* in the file; in memory it is the size of the structure */
    uint32_t crc;
    void *records; /* NULL for blocks, which are only passed through */
    uint64_t count;
};

#define SUMMARY_THREADS 16
#define SUMMARY_MARKS   4

/* The larger part of a summary, which is given back as soon as it has been merged. */
struct block_detail {
    struct ages ages;
    struct sizes sizes;
    struct {
        uint32_t thread;
        uint64_t blocks;
    } thread[SUMMARY_THREADS];
    struct {
        uint32_t mark; /* index plus one, 0: not used: blocks made since then, and before the next one */
        uint32_t blocks;
    } marked[SUMMARY_MARKS];
};

/* What the live blocks of one stack and one verdict say that its site does not. */
struct block_summary {
    uint64_t blocks, bytes, oldest, newest;
    struct samples block_samples, byte_samples;
    struct samples later_samples; /* bytes of those that dump_split takes for later ones */
    uint64_t inherited_blocks, inherited_bytes;
    struct block_detail *detail; /* NULL once it was merged */
    enum dump_verdict verdict;   /* of all of them; those of the stack that have another one are apart */
    uint32_t stack;
    uint32_t next;         /* of the stack: index plus one, 0: the last */
    uint32_t threads;      /* used entries of the detail's */
    uint64_t more_threads; /* blocks made by threads that found no entry */
    uint64_t more_marks;   /* blocks made since marks that found no entry */
};

struct dump {
    char *path;
    int fd;
    uint64_t size;
    bool usable; /* the process is known */
    bool cut;    /* DUMP_END was not reached */
    pid_t owner; /* of a box: the process that runs, 0: it is gone */
    struct dump_header header;
    struct dump_process process;
    struct section sections[DUMP_SECTION_TYPES];
    struct drawing drawing;
    char **problems; /* "at byte N (section X): what is wrong" */
    size_t problem_count, problem_capacity;
    uint32_t *summary_of; /* by stack id: index into summaries plus one */
    struct block_summary *summaries;
    size_t summary_count, summary_capacity;
    struct jit *jit;              /* names of code of no module; see jit.h */
    bool limited;                 /* to what was made since `mark` (marks.h) */
    const struct dump_mark *mark; /* NULL: the dump does not have it */
    uint64_t since;               /* blocks that were made earlier do not count */
    struct ages_time time;
    struct dump_block *sought; /* what dump_seek asked for; NULL: no block of it is there */
};

/* Dumps that are opened from here on note the live tracked block that the address lies in, or begins at. */
void dump_seek(uint64_t address);

/* In dumps that are opened from here on, blocks that were made from then on are later ones. */
void dump_split(uint64_t time);

struct dump *dump_open(const char *path);
struct dump *dump_open_fd(int fd, uint64_t size, const char *name); /* takes the descriptor */
void dump_close(struct dump *dump);
void dump_forget_detail(struct block_summary *summary); /* access.c: of one that is merged once */

void dump_problem(struct dump *dump, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *section_name(uint32_t type);
size_t section_record_size(uint32_t type);

static inline bool dump_has(const struct dump *dump, uint32_t type) {
    return dump->sections[type].state == SECTION_WHOLE;
}
static inline uint64_t dump_count(const struct dump *dump, uint32_t type) {
    return dump_has(dump, type) ? dump->sections[type].count : 0;
}

/* Records by index; the caller stays below dump_count. */
const struct dump_option *dump_options(const struct dump *dump);
const struct dump_module *dump_modules(const struct dump *dump);
const struct dump_segment *dump_segments(const struct dump *dump);
const uint64_t *dump_frames(const struct dump *dump);
const struct dump_stack *dump_stacks(const struct dump *dump);
const struct dump_site *dump_sites(const struct dump *dump);
const struct dump_class *dump_classes(const struct dump *dump);
const struct dump_refusal *dump_refusals(const struct dump *dump);
const struct dump_grown *dump_grown(const struct dump *dump);
const struct dump_record *dump_records(const struct dump *dump);
const struct dump_block *dump_pools(const struct dump *dump);
const struct dump_mark *dump_marks(const struct dump *dump);
const struct dump_mapping *dump_mappings(const struct dump *dump);
const struct dump_memory *dump_memory_rows(const struct dump *dump);
const struct dump_unaccounted *dump_unaccounted_ranges(const struct dump *dump);

const struct dump_total *dump_totals(const struct dump *dump);
const struct dump_jit *dump_jit_records(const struct dump *dump);
const struct dump_path *dump_paths(const struct dump *dump);
const struct dump_step *dump_steps(const struct dump *dump);
const struct dump_doing *dump_doings(const struct dump *dump);
const struct dump_near *dump_nears(const struct dump *dump);

struct text dump_text(const struct dump *dump, struct dump_string string); /* empty where it is unknown */
bool dump_is_sampled(const struct dump *dump); /* not all of its blocks were tracked, but some that were drawn */
bool dump_same_image(const struct dump *a, const struct dump *b); /* of one process, and one program in it */
bool dump_stat(const struct dump *dump, uint32_t id, uint64_t *value);
uint64_t dump_age(const struct dump *dump, uint64_t time); /* nanoseconds at the dump; 0: it came later */
struct text dump_thread_name(const struct dump *dump, uint32_t thread);
struct text dump_option_value(const struct dump *dump, const char *name);

/* The first of the stack, NULL: no block of it; the next one. */
const struct block_summary *dump_summary(const struct dump *dump, uint32_t stack);
const struct block_summary *dump_next_summary(const struct dump *dump, const struct block_summary *summary);

/* What is told of a stack's blocks together goes to those of the verdict that most bytes have; DUMP_UNKNOWN: it has
 * none.
 */
/* What a core does not have, so that nothing of it is called leaked, to be freed; NULL: it is none, or has all. */
char *dump_lacks(const struct dump *dump);

enum dump_verdict dump_main_verdict(const struct dump *dump, uint32_t stack);

/* Live blocks were judged. */
bool dump_is_judged(const struct dump *dump);

/* The steps of dump_open, one file each. */
void dump_check(struct dump *dump);  /* check.c */
void dump_blocks(struct dump *dump); /* blocks.c */

#endif
