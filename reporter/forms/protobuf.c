/* See protobuf.h. */
#include "reporter/forms/protobuf.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"

enum { VARINT = 0, LENGTH_DELIMITED = 2 }; /* wire types */

static unsigned char *reserve(struct protobuf *message, size_t more) {
    message->bytes = memory_more(message->bytes, &message->capacity, message->length + more, 1);
    return message->bytes + message->length;
}

void protobuf_raw(struct protobuf *message, uint64_t value) {
    unsigned char *at = reserve(message, 10), *begin = at;
    for (; value >= 0x80; value >>= 7) *at++ = (unsigned char)(value | 0x80);
    *at++ = (unsigned char)value;
    message->length += (size_t)(at - begin);
}

static void put_key(struct protobuf *message, unsigned field, unsigned type) {
    protobuf_raw(message, (uint64_t)field << 3 | type);
}

static void put_bytes(struct protobuf *message, unsigned field, const void *bytes, size_t length) {
    put_key(message, field, LENGTH_DELIMITED);
    protobuf_raw(message, length);
    unsigned char *at = reserve(message, length);
    if (length) memcpy(at, bytes, length);
    message->length += length;
}

void protobuf_number(struct protobuf *message, unsigned field, uint64_t value) {
    if (!value) return;
    put_key(message, field, VARINT);
    protobuf_raw(message, value);
}

void protobuf_text(struct protobuf *message, unsigned field, const char *text) {
    put_bytes(message, field, text, strlen(text));
}

void protobuf_message(struct protobuf *message, unsigned field, const struct protobuf *m) {
    put_bytes(message, field, m->bytes, m->length);
}

void protobuf_clear(struct protobuf *message) {
    message->length = 0;
}

void protobuf_free(struct protobuf *message) {
    free(message->bytes);
    *message = (struct protobuf){0};
}
