/* Accesses of tracked blocks: which block an address lies in, where it is touched from, and a record of that. */
#ifndef WEIR_TRACK_TOUCH_H
#define WEIR_TRACK_TOUCH_H

#include "shim/box/records.h"

#include <sys/types.h>

/* Nothing where no tracked block is there. `frame` is the entry's. Any thread, any moment; only where records are on.
 */
void touch_block(const void *p, enum dump_record_kind kind, uint32_t detail, const void *frame);

/* By realloc; `grown`: the block's entry, where its latest stack is that of this call, else NULL. */
void touch_resized(const void *p, const struct side *grown, const void *frame);

/* The same, with what the program says of it, or NULL. */
void touch_with_hint(const void *p, const char *hint, const void *frame);

/* A call has moved so many bytes, of what such an array names, whose memory may have changed or gone since. */
struct iovec;
void touch_vector(const struct iovec *vector, size_t count, size_t bytes, enum dump_record_kind kind, int fd,
                  const void *frame);

/* The same of a message, and of messages the first `count` of which were moved. */
struct msghdr;
struct mmsghdr;
void touch_message(const struct msghdr *message, size_t bytes, enum dump_record_kind kind, int fd, const void *frame);
void touch_messages(const struct mmsghdr *messages, size_t count, enum dump_record_kind kind, int fd,
                    const void *frame);

#endif
