/* Writing Protocol Buffers' wire format (protobuf.dev, "Encoding"): fields of a message, appended to bytes. A field
 * that has its default, 0 or "", is left out. */
#ifndef WEIR_FORMS_PROTOBUF_H
#define WEIR_FORMS_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>

struct protobuf {
    unsigned char *bytes;
    size_t length, capacity;
};

/* Field numbers are below 2^29. */
void protobuf_number(struct protobuf *message, unsigned field, uint64_t value);            /* int64, uint64, bool */
void protobuf_text(struct protobuf *message, unsigned field, const char *text);            /* written where it is "" */
void protobuf_message(struct protobuf *message, unsigned field, const struct protobuf *m); /* likewise */
void protobuf_raw(struct protobuf *message, uint64_t value);                               /* of a packed field */
void protobuf_clear(struct protobuf *message);
void protobuf_free(struct protobuf *message);

#endif
