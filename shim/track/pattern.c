/* See pattern.h. A freed place's pattern is no address: who takes it for a pointer faults. */
#include "shim/track/pattern.h"
#include "shim/base/options.h"

#define BEHIND 0xb5u
#define FREED  0xd7u
#define BEHIND_MAX                                                                                                     \
    256 /* bytes behind a block that are looked at: what is aligned may be much smaller than its place                 \
         */
#define FREED_MAX (8 * KIB) /* bytes of a free place */

static void fill(char *p, size_t n, unsigned char byte) {
    if (n >= STRING_MIN) {
        __asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(byte) : "memory");
        return;
    }
    uint64_t word = 0x0101010101010101u * byte;
    for (; n >= 16; n -= 16, p += 16) *(vec16 *)p = (vec16){(long long)word, (long long)word};
    for (; n > 0; n--) *p++ = (char)byte;
}

/* The first of n bytes that differs; n: none. */
static size_t first_other(const char *p, size_t n, unsigned char byte) {
    size_t i = 0;
    vec16 wanted = {(long long)(0x0101010101010101u * byte), (long long)(0x0101010101010101u * byte)};
    for (; n - i >= 16; i += 16) {
        vec16 other = *(const vec16 *)(p + i) ^ wanted;
        if (unlikely((other[0] | other[1]) != 0)) break;
    }
    while (i < n && (unsigned char)p[i] == byte) i++;
    return i;
}

static size_t behind(const struct place *place, size_t n) {
    return place->size > n ? min_size(place->size - n, BEHIND_MAX) : 0;
}

void pattern_end(const struct place *place, size_t n) {
    if (options.pattern) fill(place->start + n, behind(place, n), BEHIND);
}

size_t pattern_end_damage(const struct place *place, size_t n) {
    if (!options.pattern) return PATTERN_INTACT;
    size_t length = behind(place, n), at = first_other(place->start + n, length, BEHIND);
    return at < length ? n + at : PATTERN_INTACT;
}

/* Zeros where those were asked for. */
static unsigned char freed_byte(void) {
    return options.zero_on_free ? 0 : FREED;
}

void pattern_free(const struct place *place) {
    if (options.pattern && place->kind == PLACE_SLOT)
        fill(place->start, min_size(place->size, FREED_MAX), freed_byte());
}

size_t pattern_free_damage(const struct place *place, size_t from) {
    if (!options.pattern || place->kind != PLACE_SLOT) return PATTERN_INTACT;
    size_t length = min_size(place->size, FREED_MAX) - from;
    size_t at = first_other(place->start + from, length, freed_byte());
    return at < length ? from + at : PATTERN_INTACT;
}
