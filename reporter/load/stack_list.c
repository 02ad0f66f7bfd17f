/* See stack_list.h. */
#include "reporter/load/stack_list.h"

#include <stdlib.h>

#include "reporter/load/memory.h"

#define FRAMES_MOST (1u << 26) /* of all stacks together */

void stack_list_start(struct stack_list *list, uint32_t ids, uint32_t depth) {
    *list = (struct stack_list){.ids = ids, .depth = depth, .count = 1};
    list->number = memory_get(ids, sizeof *list->number);
    list->stacks = memory_more(NULL, &list->capacity, 1, sizeof *list->stacks);
    list->stacks[0].flags = DUMP_STACK_NONE;
}

void stack_list_free(struct stack_list *list) {
    free(list->stacks);
    free(list->frames);
    free(list->number);
}

void stack_list_add(struct stack_list *list, struct dump_stack *stack, uint64_t frame, bool exact) {
    list->frames = memory_more(list->frames, &list->frame_capacity, list->frame_count + 1, sizeof *list->frames);
    list->frames[list->frame_count++] = frame;
    if (exact && stack->frames < 64) stack->exact |= 1ull << stack->frames;
    stack->frames++;
}

uint32_t stack_list_keep(struct stack_list *list, const struct dump_stack *stack) {
    list->stacks = memory_more(list->stacks, &list->capacity, list->count + 1, sizeof *list->stacks);
    list->stacks[list->count] = *stack;
    return (uint32_t)list->count++;
}

static bool read_at(const struct stack_list *list, uint32_t id, stack_list_read *read, void *context,
                    struct box_frame *frame) {
    return id >= BOX_ROOTS && id < list->ids && read(context, id, frame) && frame->outer;
}

/* `depth` is what ends a circle. */
uint32_t stack_list_number(struct stack_list *list, uint32_t id, stack_list_read *read, void *context) {
    struct box_frame frame;
    if (id >= list->ids || list->number[id]) return id < list->ids ? list->number[id] : 0;
    if (list->frame_count >= FRAMES_MOST || !read_at(list, id, read, context, &frame)) return 0;
    struct dump_stack stack = stack_list_begin(list, frame.flags);
    for (uint32_t at = id; at >= BOX_ROOTS; at = frame.outer) {
        bool there = read_at(list, at, read, context, &frame);
        if (!there || stack.frames == list->depth) {
            stack.flags |= there ? DUMP_STACK_CUT : DUMP_STACK_LOST;
            break;
        }
        stack_list_add(list, &stack, frame.frame, frame.how & 1);
    }
    return list->number[id] = stack_list_keep(list, &stack);
}

void stack_list_write(const struct stack_list *list, struct dump_writer *w) {
    dump_writer_section(w, DUMP_FRAMES, sizeof *list->frames, list->frames, list->frame_count);
    dump_writer_section(w, DUMP_STACKS, sizeof *list->stacks, list->stacks, list->count);
}
