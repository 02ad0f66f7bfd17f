/* See pattern.h. A freed place's pattern is no address: who takes it for a pointer faults. */
#include "shim/track/pattern.h"
#include "shim/base/options.h"
#include "shim/box/format_core.h"

_Static_assert(PATTERN_BEHIND == CORE_BEHIND && PATTERN_BEHIND_MAX == CORE_BEHIND_MOST && PATTERN_FREED == CORE_FREE &&
                   PATTERN_FREED_MAX == CORE_FREE_MOST,
               "patterns are as the reader of a core knows them");

static void fill(char *p, size_t n, unsigned char byte) {
    if (n >= STRING_MIN) {
        __asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(byte) : "memory");
        return;
    }
    for (; n >= 16; n -= 16, p += 16) *(vec16 *)p = pattern_of(byte);
    for (; n > 0; n--) *p++ = (char)byte;
}

/* The first of n bytes that differs; n: none. */
static size_t first_other(const char *p, size_t n, unsigned char byte) {
    size_t i = 0;
    while (n - i >= 16 && likely(pattern_others(p + i, byte) == 0)) i += 16;
    while (i < n && (unsigned char)p[i] == byte) i++;
    return i;
}

static size_t behind(const struct place *place, size_t n) {
    return place->size > n ? min_size(place->size - n, PATTERN_BEHIND_MAX) : 0;
}

void pattern_end(const struct place *place, size_t n) {
    if (options.pattern) fill(place->start + n, behind(place, n), PATTERN_BEHIND);
}

size_t pattern_end_damage(const struct place *place, size_t n) {
    if (!options.pattern) return PATTERN_INTACT;
    size_t length = behind(place, n), at = first_other(place->start + n, length, PATTERN_BEHIND);
    return at < length ? n + at : PATTERN_INTACT;
}

/* Zeros where those were asked for. */
static unsigned char freed_byte(void) {
    return options.zero_on_free ? 0 : PATTERN_FREED;
}

void pattern_free(const struct place *place) {
    if (options.pattern && place->kind == PLACE_SLOT)
        fill(place->start, min_size(place->size, PATTERN_FREED_MAX), freed_byte());
}

size_t pattern_free_damage(const struct place *place, size_t from) {
    if (!options.pattern || place->kind != PLACE_SLOT) return PATTERN_INTACT;
    size_t length = min_size(place->size, PATTERN_FREED_MAX) - from;
    size_t at = first_other(place->start + from, length, freed_byte());
    return at < length ? from + at : PATTERN_INTACT;
}
