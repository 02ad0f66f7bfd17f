/* Different frames, numbered as they come: stacks have millions of them, and the same few thousand over and over. */
#ifndef WEIR_LOAD_FRAME_SET_H
#define WEIR_LOAD_FRAME_SET_H

#include "reporter/load/merge.h"
#include "reporter/load/slots.h"

struct frame_set {
    struct merged_frame *frames; /* by number */
    size_t count, capacity;
    struct slots slots;
};

uint32_t frame_set_add(struct frame_set *set, struct merged_frame frame); /* its number */
void frame_set_add_all(struct frame_set *set, const struct merged_frame *frames, uint32_t count);
void frame_set_free(struct frame_set *set);

#endif
