/* See sizes.h. */
#include "reporter/load/sizes.h"

void sizes_add(struct sizes *sizes, uint64_t size) {
    if (!sizes->count || size < sizes->smallest) sizes->smallest = size;
    if (!sizes->count || size > sizes->largest) sizes->largest = size;
    for (uint32_t i = 0; i < sizes->count; i++)
        if (sizes->each[i] == size) return;
    if (sizes->count < SIZES_MOST)
        sizes->each[sizes->count++] = size;
    else
        sizes->more = true;
}

void sizes_join(struct sizes *sizes, const struct sizes *others) {
    if (!others->count) return;
    for (uint32_t i = 0; i < others->count; i++) sizes_add(sizes, others->each[i]);
    sizes_add(sizes, others->smallest); /* past the first ones, the range is wider than those that were kept */
    sizes_add(sizes, others->largest);
    sizes->more = sizes->more || others->more;
}
