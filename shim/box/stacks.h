/* The stack table: every unique stack once, by id. Append-only, without locks: an id is valid for ever once given out.
 * It grows as long as there is memory, and a stack that finds none uses nothing up.
 *
 * Not a uthash table: a fork may find one half changed with its lock gone, and a signal handler may interrupt an
 * insertion of its own thread. Here the worst that either leaves behind is a stack stored twice. */
#ifndef WEIR_BOX_STACKS_H
#define WEIR_BOX_STACKS_H

#include "shim/base/options.h"

#define STACKS_MAX    (1u << 24)
#define STACK_UNKNOWN 0u /* the id that stands for no stack */

/* A backtrace on its way into the table. */
struct trace {
    uint32_t frames;
    uint32_t flags; /* DUMP_STACK_… */
    uint64_t exact; /* as in struct dump_stack */
    uint64_t hash;
    uint64_t frame[OPTION_DEPTH_MAX]; /* as in DUMP_FRAMES */
};

struct stack {
    uint64_t hash;
    uint64_t exact;
    uint32_t first_frame;
    uint16_t frames;
    uint16_t flags;
    _Atomic uint32_t next[2]; /* below it in the index, 0: none; see stacks.c */
};
_Static_assert(sizeof(struct stack) == 32, "a stack is 32 bytes");

#define STACKS_NO_CACHE UINT32_MAX

/* `arena_size`: bytes of address space of the arena, to which the tables' own are in proportion. */
bool stacks_start(size_t arena_size);

/* The id of the trace; STACK_UNKNOWN when the tables are full or the ceiling refuses their growth (counted). `cache`
 * picks the caller's cache (a heap's index), or STACKS_NO_CACHE. */
uint32_t stack_id(const struct trace *t, uint32_t cache);

uint32_t stack_count(void); /* ids are below it */
const struct stack *stack_at(uint32_t id);
const uint64_t *stack_frames(void);
uint64_t stack_frame_count(void);
uint64_t stacks_lost(void);

#endif
