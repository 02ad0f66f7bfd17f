/* A dump that is being made of a core: what the files of this room add to it. */
#ifndef WEIR_LOAD_CORE_MAKING_H
#define WEIR_LOAD_CORE_MAKING_H

#include <string.h>

#include "reporter/load/core/tables.h"
#include "reporter/load/stack_list.h"

struct site_sum;
struct places;

/* Numbers in a record of weir's, by the offsets that the tables tell. */
static inline uint64_t word_of(const char *record, uint64_t at) {
    uint64_t word;
    memcpy(&word, record + at, sizeof word);
    return word;
}
static inline uint32_t half_of(const char *record, uint64_t at) {
    uint32_t half;
    memcpy(&half, record + at, sizeof half);
    return half;
}
static inline uint8_t byte_of(const char *record, uint64_t at) {
    return (uint8_t)record[at];
}

/* Of a thread's stack, innermost first. */
struct stack_frame {
    uint32_t thread;
    bool exact;       /* it was interrupted there */
    uint64_t pointer; /* its stack pointer; 0: not known */
    uint64_t frame;   /* as in DUMP_FRAMES */
};

/* The arena by class, and what of it is charged. */
struct arena_sum {
    struct dump_class classes[CORE_CLASSES_MOST + 1]; /* runs behind the classes */
    uint64_t live, pinned, cached, sides;             /* bytes charged */
};

struct making {
    struct core *core;
    struct core_tables t;
    struct dump_writer w;
    struct dump_process process;

    char *strings;
    size_t string_bytes, string_capacity;
    struct dump_option *options;
    size_t option_count, option_capacity;
    struct dump_module *modules; /* weir's by id; behind them what else frames are in */
    size_t module_count, module_capacity;
    struct dump_segment *segments;
    size_t segment_count, segment_capacity;

    struct stack_list stacks;

    struct site_sum *sites; /* by stack number */
    size_t site_capacity;
    struct dump_grown *grown;
    size_t grown_count, grown_capacity;
    struct dump_thread *threads;
    size_t thread_count, thread_capacity;
    struct dump_refusal *refusals;
    size_t refusal_count, refusal_capacity;
    struct dump_doing *doings;
    size_t doing_count, doing_capacity;
    struct stack_frame *frames;
    size_t frame_count, frame_capacity;
    struct dump_near *nears;
    size_t near_count, near_capacity;

    struct places *places;   /* and what leads to their blocks */
    uint64_t search_time;    /* ns */
    struct way_wish *wishes; /* by stack number */
    size_t wish_capacity;

    bool pattern;                     /* what lies behind blocks, and in freed ones, is known, and looked at */
    unsigned char freed;              /* with it, what those are filled with */
    uint32_t epoch;                   /* forks so far, as entries have it */
    uint64_t blocks, bytes, capacity; /* live ones; of their places; asked for where that is known */
    uint64_t tracked, inherited, inherited_bytes, slabs, runs;
    struct arena_sum arena;
    double sampled_places; /* bytes that tracked ones stand for */
    uint64_t sample_bytes; /* 0: nothing was drawn */
    uint64_t sample_blocks;
    uint64_t newest; /* the latest time that is known of */
    uint64_t lost;   /* slabs whose entries the core does not have */
};

/* names.c: what dumps have tables of. */
struct dump_string making_string(struct making *m, const char *bytes, size_t n);
void making_read_modules(struct making *m);
void making_read_stacks(struct making *m);
uint32_t making_stack(struct making *m, uint32_t id); /* the number of weir's stack; 0: the core does not have it */
void making_note_thread(struct making *m, uint32_t thread);

/* images.c: where the ELF image that begins at `base` lies, less what its headers say; its build-id. False: there is
 * none. */
bool making_image(struct core *core, uint64_t base, uint64_t *bias, struct dump_module *to);

/* The last mapping of the image of a file whose first one this is. */
const struct core_file *making_last_of(struct core *core, const struct core_file *first);

/* The newest module that the address lies in; with `base`, of those that begin there. SIZE_MAX: none. */
size_t making_module_at(const struct making *m, uint64_t address, uint64_t base);

/* Modules of code that weir has not met. The frame of a code address, as in DUMP_FRAMES. */
uint64_t making_frame(struct making *m, uint64_t code);

/* blocks.c: writes the section as it goes. */
void making_write_blocks(struct making *m);
void making_write_sites(struct making *m);
uint64_t making_class_size(uint32_t class); /* bytes of a place */

/* arena.c: a span that has so many blocks. When all were seen: what is written of them; the counters that come of it.
 */
struct span;
void making_add_span(struct making *m, const struct span *span, uint64_t live);
void making_write_arena(struct making *m);
#define MAKING_ARENA 16u
size_t making_add_arena(const struct making *m, struct dump_stat *stats); /* how many: fewer */

/* totals.c: what was ever made, when it is known what is live. */
void making_write_totals(struct making *m);

/* mappings.c: what the program has mapped itself. */
void making_write_mappings(struct making *m);

/* records.c: of the blocks that are listed. */
void making_write_records(struct making *m);

/* parts.c: of those that pools of the program's had given out. */
void making_write_pools(struct making *m);

/* verdicts.c: which blocks memory leads to. */
void making_judge(struct making *m);
enum dump_verdict making_verdict(const struct making *m, uint64_t address); /* of the block that begins there */
#define MAKING_VERDICTS 16u
size_t making_add_verdicts(const struct making *m, struct dump_stat *stats); /* how many: fewer */
void making_end_verdicts(struct making *m);

/* ways.c: how memory leads to blocks, of each site and verdict to one. It is asked for as blocks are found, and written
 * when stacks were followed. */
void making_wish_way(struct making *m, const struct dump_block *block);
void making_write_ways(struct making *m);

/* near.c: the blocks that the first thread points to. Before all blocks are looked at: those come behind. */
void making_find_near(struct making *m);

/* doings.c: the stacks of all threads. */
void making_unwind(struct making *m);

#endif
