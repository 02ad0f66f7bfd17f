/* The stack table: every unique way from a frame to the outermost one, once, by id. A stack is the id of its innermost
 * frame; what two stacks have in common further out is there once. Append-only, without locks: an id is valid for ever
 * once given out. It grows as long as there is memory, and what finds none uses nothing up.
 *
 * Not a uthash table: a fork may find one half changed with its lock gone, and a signal handler may interrupt an
 * insertion of its own thread. Here the worst that either leaves behind is an entry stored twice. */
#ifndef WEIR_BOX_STACKS_H
#define WEIR_BOX_STACKS_H

#include "shim/base/options.h"
#include "shim/box/format.h"

#include <stdatomic.h>

#define STACKS_MAX    (1u << 26)
#define STACK_UNKNOWN 0u /* the id that stands for no stack */

/* What there is to say of a frame. */
#define STACK_EXACT 1u /* it was interrupted: `frame` is no return address */
#define STACK_GUESS 2u /* it was found by a guess */

struct stack {
    uint64_t frame;           /* as in DUMP_FRAMES */
    uint32_t outer;           /* the id of the caller's; below STACK_ROOTS: there is none */
    uint16_t flags;           /* DUMP_STACK_… of this and all outer ones */
    uint16_t how;             /* STACK_… of this one */
    _Atomic uint32_t called;  /* the first of those that it calls, see stacks.c; 0: none yet */
    _Atomic uint32_t next[2]; /* others that its caller calls, below this one; 0: none */
};
_Static_assert(sizeof(struct stack) == 32, "an entry of the stack table is 32 bytes");

/* What lies outwards of a stack's last frame: nothing, or what `flags` say (DUMP_STACK_CUT, DUMP_STACK_LOST). */
#define STACK_ROOTS 5u /* ids of frames begin here */
ALWAYS_INLINE uint32_t stack_root(uint32_t flags) {
    return 1 + (flags & (DUMP_STACK_CUT | DUMP_STACK_LOST));
}
_Static_assert((DUMP_STACK_CUT | DUMP_STACK_LOST) == STACK_ROOTS - 2, "roots are numbered by flags");

/* `arena_size`: bytes of address space of the arena, to which the table's own are in proportion. */
bool stacks_start(size_t arena_size);

extern HIDDEN struct stack *stack_table;
uint32_t stack_look_up(uint32_t outer, uint64_t frame, uint32_t how);

/* The id of `frame` as called by `outer` (or a root). `how`: STACK_…. STACK_UNKNOWN when the table is full, or the
 * ceiling refuses its growth. */
ALWAYS_INLINE uint32_t stack_of_frame(uint32_t outer, uint64_t frame, uint32_t how) {
    uint32_t id = atomic_load_explicit(&stack_table[outer].called, memory_order_acquire);
    const struct stack *s = &stack_table[id];
    return likely(s->frame == frame && s->how == how && id != 0) ? id : stack_look_up(outer, frame, how);
}

/* A stack found no room (is counted). */
void stack_lost(void);

uint32_t stack_count(void); /* ids are below it */
ALWAYS_INLINE const struct stack *stack_at(uint32_t id) {
    return &stack_table[id];
}
uint64_t stacks_lost(void);

/* Whether frames can be asked of it: it is neither unknown nor the end of one. */
ALWAYS_INLINE bool stack_is_one(uint32_t id) {
    return id >= STACK_ROOTS && id < stack_count();
}

#endif
