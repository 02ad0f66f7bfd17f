/* See cursor.h. */
#include "reporter/symbols/cursor.h"

#include <string.h>

struct cursor cursor_at(const void *bytes, size_t size, uint64_t offset) {
    const unsigned char *first = bytes;
    if (!first || offset > size) return (struct cursor){.bad = true};
    return (struct cursor){first + offset, first + size, false};
}

uint64_t cursor_fixed(struct cursor *c, size_t bytes) {
    uint64_t value = 0;
    if ((size_t)(c->end - c->at) < bytes || bytes > sizeof value) {
        c->bad = true;
        c->at = c->end;
        return 0;
    }
    if (bytes) memcpy(&value, c->at, bytes);
    c->at += bytes;
    return value;
}

uint64_t cursor_uleb(struct cursor *c) {
    uint64_t value = 0;
    for (unsigned shift = 0; c->at < c->end; shift += 7) {
        unsigned char byte = *c->at++;
        if (shift < 64) value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return value;
    }
    c->bad = true;
    return 0;
}

int64_t cursor_sleb(struct cursor *c) {
    uint64_t value = 0;
    for (unsigned shift = 0; c->at < c->end;) {
        unsigned char byte = *c->at++;
        if (shift < 64) value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if (byte & 0x80) continue;
        if (shift < 64 && (byte & 0x40)) value |= ~0ull << shift;
        return (int64_t)value;
    }
    c->bad = true;
    return 0;
}
