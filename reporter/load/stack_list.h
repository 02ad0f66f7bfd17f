/* Stacks of a dump that is being made, numbered as they are named; and the tables of struct box_frame that they come
 * from, a box's or those of a process whose core it is. */
#ifndef WEIR_LOAD_STACK_LIST_H
#define WEIR_LOAD_STACK_LIST_H

#include "reporter/load/dump_writer.h"
#include "shim/box/format_box.h"

#define STACK_DEPTH_MOST 128u /* frames: no WEIR_DEPTH is larger */

struct stack_list {
    struct dump_stack *stacks; /* the first stands for none */
    size_t count, capacity;
    uint64_t *frames; /* of all of them */
    size_t frame_count, frame_capacity;
    uint32_t ids;     /* of the table: those of its frames are below */
    uint32_t depth;   /* frames that are taken of a stack of it, at most */
    uint32_t *number; /* by id; 0: not named yet */
};

void stack_list_start(struct stack_list *list, uint32_t ids, uint32_t depth);
void stack_list_free(struct stack_list *list);

/* A frame after the other, innermost first; its number. */
void stack_list_add(struct stack_list *list, struct dump_stack *stack, uint64_t frame, bool exact);
uint32_t stack_list_keep(struct stack_list *list, const struct dump_stack *stack);
static inline struct dump_stack stack_list_begin(const struct stack_list *list, uint16_t flags) {
    return (struct dump_stack){.first_frame = (uint32_t)list->frame_count, .flags = flags};
}

/* The number of the table's stack; 0: none of it is there. `read`: a frame by its id, which is below `ids`, as a dump
 * may have it; false: it is not there. */
typedef bool stack_list_read(void *context, uint32_t id, struct box_frame *frame);
uint32_t stack_list_number(struct stack_list *list, uint32_t id, stack_list_read *read, void *context);

/* The frame as a dump with so many modules may have it: of another one its code is nobody's. */
static inline uint64_t stack_list_sound(uint64_t frame, size_t modules) {
    if (DUMP_FRAME_MODULE(frame) < modules) return frame;
    return (uint64_t)DUMP_NO_MODULE << 48 | DUMP_FRAME_OFFSET(frame);
}

/* DUMP_FRAMES and DUMP_STACKS. */
void stack_list_write(const struct stack_list *list, struct dump_writer *w);

#endif
