/* A pattern where nobody may write: behind the end of a tracked block, as far as its place reaches, and in a tracked
 * place while it is free. What is no longer there was written to. Only where WEIR_PATTERN says so. */
#ifndef WEIR_TRACK_PATTERN_H
#define WEIR_TRACK_PATTERN_H

#include "shim/arena/arena.h"

#define PATTERN_INTACT SIZE_MAX
#define PATTERN_BEHIND_MAX                                                                                             \
    256 /* bytes behind a block that are looked at: an aligned one may be much smaller than its                        \
         * place */

#define PATTERN_BEHIND    0xb5u
#define PATTERN_FREED     0xd7u
#define PATTERN_FREED_MAX (8 * KIB) /* bytes of a free place */

ALWAYS_INLINE vec16 pattern_of(unsigned byte) {
    uint64_t word = 0x0101010101010101u * byte;
    return (vec16){(long long)word, (long long)word};
}
/* A bit a byte of the 16 at p that differs. */
ALWAYS_INLINE uint32_t pattern_others(const void *p, unsigned byte) {
    typedef char bytes __attribute__((vector_size(16)));
    bytes same = (bytes)(*(const vec16 *)p) == (bytes)pattern_of(byte);
    return (uint32_t)__builtin_ia32_pmovmskb128(same) ^ 0xffffu;
}

/* --- of places of slabs, as a list of free ones has them: with a link in front --- */

/* The block of n bytes in the place at p is being made: nothing of it is anybody's yet. */
ALWAYS_INLINE void pattern_end_of_fresh(char *p, size_t size, size_t n) {
    for (size_t at = round_down(n, 16); at < size && at < n + PATTERN_BEHIND_MAX; at += 16)
        *(vec16 *)(p + at) = pattern_of(PATTERN_BEHIND);
}
/* Whether what lies behind its n bytes is what was put there; where that is more than a few bytes, false. */
ALWAYS_INLINE bool pattern_end_is_whole(const void *p, size_t size, size_t n) {
    return size - n <= 16 && pattern_others((const char *)p + size - 16, PATTERN_BEHIND) >> (16 - (size - n)) == 0;
}
/* The place, free but for its link, is what it was. */
ALWAYS_INLINE bool pattern_is_whole(const char *p, size_t size) {
    uint32_t others = pattern_others(p, PATTERN_FREED) >> sizeof(struct link);
    for (size_t at = 16; at < size && at < PATTERN_FREED_MAX; at += 16) others |= pattern_others(p + at, PATTERN_FREED);
    return others == 0;
}
ALWAYS_INLINE void pattern_free_place(char *p, size_t size) {
    for (size_t at = 0; at < size && at < PATTERN_FREED_MAX; at += 16) *(vec16 *)(p + at) = pattern_of(PATTERN_FREED);
}

/* --- of any --- */

/* Behind n bytes of the block's place. */
void pattern_end(const struct place *place, size_t n);
/* Where it was written to, from the block's start on: the first byte; PATTERN_INTACT. */
size_t pattern_end_damage(const struct place *place, size_t n);

/* The whole place, which no block holds any more and no list yet. */
void pattern_free(const struct place *place);
/* From byte `from` on: that of a place that a list has just given away had its link before it. */
size_t pattern_free_damage(const struct place *place, size_t from);

#endif
