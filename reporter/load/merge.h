/* One or many dumps as one: what all views show. Sites of several dumps are one where their frames are (module by
 * build-id, or path and fingerprint where there is none, and offset). Of several dumps of the same process image only
 * the newest is counted, for the others hold the same blocks again; they are listed as older.
 */
#ifndef WEIR_LOAD_MERGE_H
#define WEIR_LOAD_MERGE_H

#include "reporter/load/dump.h"
#include "reporter/load/table.h"

struct merged_module {
    struct text path; /* empty: code of no module (JIT), or one whose section was lost */
    uint8_t build_id[DUMP_BUILD_ID_MAX];
    uint32_t build_id_length;
    uint64_t fingerprint; /* of its file, where there is no build-id; 0: not known */
    uint32_t flags;
    const struct dump *dump; /* where its segments are */
    uint32_t index;          /* in that dump */
    bool lost;               /* the dump's modules could not be read: `index` is all that is known */
    bool jit;
    size_t number; /* of this module in the merged list */
    char *key;
    UT_hash_handle hh;
};

struct merged_frame {
    uint64_t offset;
    uint32_t module; /* index into modules */
    uint32_t exact;  /* 1: a program counter, not a return address */
};

struct site_thread {
    const struct dump *dump; /* whose thread it is */
    uint32_t thread;
    uint64_t blocks;
};

/* A mark, or several of one name: blocks made after it, and before the next one. */
struct site_mark {
    struct text name; /* a dump's */
    uint64_t blocks;
};

/* What one dump has of a site. */
struct site_part {
    uint32_t part; /* index into parts */
    uint64_t blocks, bytes;
};

/* Where realloc made blocks of a site larger, the last time that it did. */
struct merged_growth {
    struct merged_frame *frames; /* innermost first */
    uint32_t frame_count;
    uint32_t flags; /* DUMP_STACK_… */
    uint64_t blocks, bytes;
    uint64_t oldest_age, newest_age; /* nanoseconds at the dump, of the growth */
};

/* Where a block of a site was accessed. */
struct merged_record {
    struct merged_frame *frames; /* innermost first */
    uint32_t frame_count;
    uint32_t flags; /* DUMP_STACK_… */
    const struct dump_record *record;
    uint64_t age; /* nanoseconds at the dump */
};

/* What was made at a site, ever, or in all; estimates where blocks were drawn. */
struct merged_totals {
    double allocations, bytes, frees, freed_bytes, temporary, peak_blocks, peak_bytes;
    uint64_t samples, lifetimes[DUMP_LIFETIMES]; /* of tracked blocks, as in struct dump_total */
};

struct merged_site {
    struct merged_frame *frames; /* innermost first */
    uint32_t frame_count;
    uint32_t flags; /* DUMP_STACK_… of all its stacks */
    enum dump_verdict verdict;
    bool pool;                                  /* of parts of blocks, see DUMP_POOLS: these are in no other sums */
    bool suppressed;                            /* leaked, or it may be, and known to be so: not counted among those */
    uint64_t blocks, bytes;                     /* those that were tracked */
    struct samples block_samples, byte_samples; /* what they stand for */
    struct estimate all_blocks, all_bytes;
    struct samples later_samples; /* see dump_split */
    struct ages ages;
    uint64_t inherited_blocks, inherited_bytes;
    struct merged_totals ever;
    uint64_t pinned; /* bytes, see struct dump_site */
    uint64_t mappings, mapped,
        mapped_age;                  /* calls that mapped memory, bytes charged of it, ns since the first of them */
    uint64_t oldest_age, newest_age; /* nanoseconds at the dump; the largest and the smallest of its parts */
    struct sizes sizes;              /* of those blocks that are known one by one */
    uint64_t thread_total;           /* distinct makers, summed over the parts; 16 a part at most */
    struct site_thread *threads;     /* those that are known; who made most comes first */
    size_t thread_count, thread_capacity;
    uint64_t more_thread_blocks;
    struct site_mark *marks; /* after which its blocks were made, those that are known */
    size_t mark_count, mark_capacity;
    uint64_t more_mark_blocks;     /* after others */
    struct merged_growth *growths; /* most bytes first */
    size_t growth_count, growth_capacity;
    struct merged_record *records; /* of one of its blocks, the one that was accessed last; the newest comes first */
    size_t record_count;
    const struct dump *record_dump; /* which has them; NULL: there are none */
    uint64_t record_discarded;      /* accesses of that block that are not there any more */
    const struct dump_path *path;   /* a way to one of its blocks, NULL: none is known */
    const struct dump *path_dump;   /* which has it */
    uint64_t record_blocks;         /* blocks of the site that have records */
    uint64_t record_age;            /* of the newest; records.c's, as the next one */
    size_t record_at;
    struct site_part *by_part; /* what each of the dumps has that have any, in their order */
    uint32_t parts;            /* dumps that have it */
    size_t part_capacity;
    size_t id; /* its place in the report's order, from 1 */
    UT_hash_handle hh;
};

struct part {
    struct dump *dump;
    bool older; /* a newer dump of the same process image is there */
    uint64_t sites, blocks, bytes;
};

struct merged_refusal {
    const struct dump *dump;
    const struct dump_refusal *refusal;
    struct merged_frame *frames; /* of its stack, or its caller alone */
    uint32_t frame_count;
    uint32_t flags; /* DUMP_STACK_… */
};

/* A stack of a dump. */
struct merged_stack {
    struct merged_frame *frames; /* innermost first */
    uint32_t frame_count;
    uint32_t flags; /* DUMP_STACK_… */
};

/* What threads were doing when a core was taken, and the blocks that this was about; ends.c. */
struct merged_doing {
    const struct dump *dump;
    const struct dump_doing *doing;
    struct merged_stack stack;
};
struct merged_near {
    const struct dump *dump;
    const struct dump_near *near;
    struct merged_stack made, freed;
};

struct merged {
    struct part *parts;
    size_t part_count, part_capacity;
    size_t counted; /* parts that are not older */
    struct merged_module **modules;
    size_t module_count, module_capacity;
    struct merged_module *module_table;
    struct merged_site **sites;
    size_t site_count, site_capacity; /* those with live blocks that this process made come first after merged_sort */
    struct merged_site *site_table;
    struct jit_name *jit_names; /* code of no module that has a name; see jit.h */
    uint64_t blocks, bytes, inherited_blocks, inherited_bytes;
    bool inherited_unknown; /* how many blocks: a box of a forked process is among them */
    struct samples block_samples, byte_samples;
    struct estimate all_blocks, all_bytes;
    bool judged; /* some part is; then these are sums over what is leaked, directly or not, and over what may be */
    struct samples leaked_samples, possible_samples; /* bytes */
    struct estimate leaked, possible;
    size_t leaked_sites, possible_sites, suppressed_sites;
    bool sampled;         /* some part is */
    uint32_t forked_from; /* the one process whose blocks those are; 0: several, or it is not known */
    size_t live_sites;
    struct merged_totals ever, others; /* all, and of those what has no site */
    struct merged_site **mappers;      /* sites that mapped memory, most bytes first */
    size_t mapper_count;
    struct merged_refusal *refusals; /* by part, oldest first */
    size_t refusal_count, refusal_capacity;
    struct merged_doing *doings; /* by part, as they stand there */
    size_t doing_count, doing_capacity;
    struct merged_near *nears;
    size_t near_count, near_capacity;
    char **reasons; /* why the report is partial: "FILE: at byte N …" */
    size_t reason_count, reason_capacity;
    char **doubts; /* what is not known of blocks that are there: "12 of 100 blocks: …" */
    size_t doubt_count, doubt_capacity;
};

/* What is estimated by the lower end of its range; from BY_TOTAL on by what was made there, ever. */
enum merged_order { BY_BYTES, BY_BLOCKS, BY_AGE, BY_PINNED, BY_TOTAL, BY_PEAK, BY_TEMPORARY, BY_RATE };

void merged_add(struct merged *merged, struct dump *dump); /* takes it; one that is not usable is only a reason */
void merged_build(struct merged *merged);                  /* once, after the last add */
void merged_sum(struct merged *merged);                    /* what is leaked, again, after sites were suppressed */
void merged_sort(struct merged *merged, enum merged_order order);
void merged_free(struct merged *merged);

/* For growth.c: module numbers of one dump, translated once. */
struct translation {
    uint32_t *number; /* merged number plus one, 0: not asked yet */
    size_t count;
};
#define MERGED_FRAMES_MAX UINT16_MAX
/* The frames of a stack, at most MERGED_FRAMES_MAX; their number. */
uint32_t merged_frames(struct merged *merged, const struct dump *dump, struct translation *known, uint32_t id,
                       struct merged_frame *frames);
/* Blocks of one stack that were judged differently are sites of their own. */
struct merged_site *merged_site_of(struct merged *merged, const struct dump *dump, struct translation *known,
                                   uint32_t id, enum dump_verdict verdict);
/* The same of parts of blocks. */
struct merged_site *merged_pool_of(struct merged *merged, const struct dump *dump, struct translation *known,
                                   uint32_t id, enum dump_verdict verdict);
void merged_add_pools(struct merged *merged, size_t part, struct translation *known); /* pools.c */
/* A maker of blocks of the site, which has room for one more. */
void merged_add_thread(struct merged_site *site, const struct dump *dump, uint32_t thread, uint64_t blocks);
/* So many blocks of that part, which is not before the last one that was counted. */
void merged_count_part(struct merged_site *site, size_t part, uint64_t blocks, uint64_t bytes);    /* parts.c */
void merged_add_totals(struct merged *merged, const struct dump *dump, struct translation *known); /* totals.c */
void merged_add_growths(struct merged *merged, const struct dump *dump, struct translation *known);
void merged_add_records(struct merged *merged, const struct dump *dump, struct translation *known); /* records.c */
void merged_free_records(struct merged_site *site);
void merged_add_paths(struct merged *merged, const struct dump *dump, struct translation *known); /* paths.c */
void merged_add_ends(struct merged *merged, const struct dump *dump, struct translation *known);  /* ends.c */
void merged_free_ends(struct merged *merged);
int path_rank(const struct dump_path *path); /* of several of a site, the one of the lowest tells most */
/* All modules of the dumps are merged ones from here on, also those that no frame is in. */
void merged_know_modules(struct merged *merged);
/* The merged number of the dump's module. */
uint32_t merged_module_of(struct merged *merged, const struct dump *dump, uint32_t index);
void merged_mark_older(struct merged *merged); /* older.c */
void merged_sort_growths(struct merged_site *site);
void merged_find_doubts(struct merged *merged); /* doubts.c */

bool merged_all_judged(const struct merged *merged); /* every part that counts is */
bool merged_stat(const struct merged *merged, uint32_t id, uint64_t *sum, uint64_t *highest); /* false: not known */

#endif
