/* See frame_set.h. */
#include "reporter/load/frame_set.h"

#include <stdlib.h>

#include "reporter/load/memory.h"

static uint64_t hash_of_frame(const struct merged_frame *f) {
    return slots_mix(f->offset ^ (uint64_t)f->module << 40 ^ (uint64_t)f->exact << 63);
}

static uint64_t hash_of(const void *set, uint32_t number) {
    return hash_of_frame(&((const struct frame_set *)set)->frames[number]);
}

static bool is_same(const void *set, uint32_t number, const void *key) {
    const struct merged_frame *there = &((const struct frame_set *)set)->frames[number], *frame = key;
    return there->offset == frame->offset && there->module == frame->module && there->exact == frame->exact;
}

uint32_t frame_set_add(struct frame_set *set, struct merged_frame frame) {
    slots_make_room(&set->slots, set->count, hash_of, set);
    uint32_t *number = slots_find(&set->slots, hash_of_frame(&frame), is_same, set, &frame);
    if (!*number) {
        set->frames = memory_more(set->frames, &set->capacity, set->count + 1, sizeof *set->frames);
        set->frames[set->count++] = frame;
        *number = (uint32_t)set->count;
    }
    return *number - 1;
}

void frame_set_add_all(struct frame_set *set, const struct merged_frame *frames, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) (void)frame_set_add(set, frames[i]);
}

void frame_set_free(struct frame_set *set) {
    free(set->frames);
    free(set->slots.numbers);
    *set = (struct frame_set){0};
}
