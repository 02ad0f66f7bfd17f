/* Searching records that are in the order of a uint64_t which each begins with. */
#ifndef WEIR_LOAD_SEARCH_H
#define WEIR_LOAD_SEARCH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How many of `count` records of `size` bytes have at most the key: these are the first ones. */
static inline size_t search_upto(const void *records, size_t count, size_t size, uint64_t key) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t own;
        memcpy(&own, (const char *)records + middle * size, sizeof own);
        if (own <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How many have less. */
static inline size_t search_below(const void *records, size_t count, size_t size, uint64_t key) {
    return key ? search_upto(records, count, size, key - 1) : 0;
}

#endif
