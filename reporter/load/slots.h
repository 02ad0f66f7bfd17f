/* Which of the numbered things of a list a key is of: open addressing, at least half of the slots are free. */
#ifndef WEIR_LOAD_SLOTS_H
#define WEIR_LOAD_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "reporter/load/memory.h"

struct slots {
    uint32_t *numbers; /* and one; 0: free. The hash says where to begin to look */
    size_t count;
};

/* The same thing, by its number and a key; the hash of a thing. `list` is what these need to know. */
typedef bool slots_same(const void *list, uint32_t number, const void *key);
typedef uint64_t slots_hash(const void *list, uint32_t number);

static inline uint64_t slots_mix(uint64_t key) {
    return key * 0x9e3779b97f4a7c15u >> 20;
}

/* Where the number of the key's stands, or would. There have to be slots. */
static inline uint32_t *slots_find(const struct slots *slots, uint64_t hash, slots_same *same, const void *list,
                                   const void *key) {
    size_t slot = (size_t)hash & (slots->count - 1);
    while (slots->numbers[slot] && !same(list, slots->numbers[slot] - 1, key)) slot = (slot + 1) & (slots->count - 1);
    return &slots->numbers[slot];
}

/* For one more than the `things` of the list, which are different. */
static inline void slots_make_room(struct slots *slots, size_t things, slots_hash *hash_of, const void *list) {
    if ((things + 1) * 2 <= slots->count) return;
    slots->count = slots->count ? slots->count * 2 : 64;
    free(slots->numbers);
    slots->numbers = memory_get(slots->count, sizeof *slots->numbers);
    for (uint32_t i = 0; i < things; i++) {
        size_t slot = (size_t)hash_of(list, i) & (slots->count - 1);
        while (slots->numbers[slot]) slot = (slot + 1) & (slots->count - 1);
        slots->numbers[slot] = i + 1;
    }
}

#endif
