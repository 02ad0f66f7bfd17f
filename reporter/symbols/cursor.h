/* Reading numbers out of bytes that may be damaged: each read is held against the end. The first that would pass it
 * gives 0, sets `bad`, and leaves nothing to read. */
#ifndef WEIR_SYMBOLS_CURSOR_H
#define WEIR_SYMBOLS_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
    const unsigned char *at, *end;
    bool bad;
};

struct cursor cursor_at(const void *bytes, size_t size, uint64_t offset);
uint64_t cursor_fixed(struct cursor *c, size_t bytes); /* little-endian, 8 bytes at most */
uint64_t cursor_uleb(struct cursor *c);
int64_t cursor_sleb(struct cursor *c);

#endif
