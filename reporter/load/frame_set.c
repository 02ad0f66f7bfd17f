/* See frame_set.h. Open addressing; at least half of the slots are free. */
#include "reporter/load/frame_set.h"

#include <stdlib.h>

#include "reporter/load/memory.h"

static size_t slot_of(const struct frame_set *set, struct merged_frame frame) {
    uint64_t hash = (frame.offset ^ (uint64_t)frame.module << 40 ^ (uint64_t)frame.exact << 63) * 0x9e3779b97f4a7c15u;
    size_t slot = (size_t)(hash >> 20) & (set->slot_count - 1);
    while (set->slots[slot]) {
        const struct merged_frame *there = &set->frames[set->slots[slot] - 1];
        if (there->offset == frame.offset && there->module == frame.module && there->exact == frame.exact) break;
        slot = (slot + 1) & (set->slot_count - 1);
    }
    return slot;
}

static void make_room(struct frame_set *set) {
    if ((set->count + 1) * 2 <= set->slot_count) return;
    set->slot_count = set->slot_count ? set->slot_count * 2 : 64;
    free(set->slots);
    set->slots = memory_get(set->slot_count, sizeof *set->slots);
    for (size_t i = 0; i < set->count; i++) set->slots[slot_of(set, set->frames[i])] = (uint32_t)i + 1;
}

uint32_t frame_set_add(struct frame_set *set, struct merged_frame frame) {
    make_room(set);
    size_t slot = slot_of(set, frame);
    if (!set->slots[slot]) {
        set->frames = memory_more(set->frames, &set->capacity, set->count + 1, sizeof *set->frames);
        set->frames[set->count++] = frame;
        set->slots[slot] = (uint32_t)set->count;
    }
    return set->slots[slot] - 1;
}

void frame_set_add_all(struct frame_set *set, const struct merged_frame *frames, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) (void)frame_set_add(set, frames[i]);
}

void frame_set_free(struct frame_set *set) {
    free(set->frames);
    free(set->slots);
    *set = (struct frame_set){0};
}
