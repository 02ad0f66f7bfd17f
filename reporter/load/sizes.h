/* The different sizes among many blocks: all of them while they are few, and the range always. */
#ifndef WEIR_LOAD_SIZES_H
#define WEIR_LOAD_SIZES_H

#include <stdbool.h>
#include <stdint.h>

#define SIZES_MOST 16

struct sizes {
    uint64_t smallest, largest; /* of count > 0 */
    uint32_t count;             /* used entries below; 0: nothing is known */
    bool more;                  /* than SIZES_MOST different ones */
    uint64_t each[SIZES_MOST];
};

void sizes_add(struct sizes *sizes, uint64_t size);
void sizes_join(struct sizes *sizes, const struct sizes *others);

#endif
