/* Tracking: what stands between the entries and the arena once the fast path has declined. Decides whether a block is
 * tracked, takes its backtrace, keeps its side entry, checks every pointer that is given back, refuses, and sets errno
 * as glibc documents. */
#ifndef WEIR_TRACK_TRACK_H
#define WEIR_TRACK_TRACK_H

#include "shim/arena/arena.h"
#include "shim/ceiling/ceiling.h"
#include "shim/track/quick.h"

/* Once, before the arena starts. False: no tables, so nothing is tracked. */
bool track_start(void);

/* Another level from here on; what was made before stays what it was. False: without the tables, which a process that
 * began at disabled has not. Any thread, also in a signal handler. */
bool track_set_level(unsigned level); /* enum option_level */

/* The slow path of every allocating entry. NULL with errno ENOMEM. `caller` and `frame` are the entry's return address
 * and frame address. */
void *track_allocate_slowly(size_t n, size_t alignment, bool zero, enum ceiling_operation operation, const void *caller,
                            const void *frame);
ALWAYS_INLINE void *track_allocate(size_t n, size_t alignment, bool zero, enum ceiling_operation operation,
                                   const void *caller, const void *frame) {
    void *p = alignment <= 16 ? quick_allocate(n, FAMILY_MALLOC, frame) : NULL;
    if (unlikely(!p)) return track_allocate_slowly(n, alignment, zero, operation, caller, frame);
    if (zero) mem_zero(p, n);
    return p;
}
void *track_reallocate(void *p, size_t n, const void *caller, const void *frame);

/* The same for a C++ operator. */
void *track_new_slowly(size_t n, size_t alignment, enum family family, enum ceiling_operation operation,
                       const void *caller, const void *frame);
ALWAYS_INLINE void *track_new(size_t n, size_t alignment, enum family family, enum ceiling_operation operation,
                              const void *caller, const void *frame) {
    void *p = alignment <= 16 ? quick_allocate(n, family, frame) : NULL;
    return likely(p != NULL) ? p : track_new_slowly(n, alignment, family, operation, caller, frame);
}

/* By what a block is given back. */
struct release {
    const char *entry; /* its name, for messages */
    enum family family;
    bool sized; /* `size` is what its caller takes the block for */
    bool resized;
    const void *moved_to; /* by realloc: the block lives on there; NULL: nowhere */
    size_t size;
};
void track_free_slowly(void *p, const struct release *by, const void *frame);
ALWAYS_INLINE void track_free(void *p, const struct release *by, const void *frame) {
    if (unlikely(!quick_free(p, by, frame))) track_free_slowly(p, by, frame);
}

/* WEIR_HARDEN, at the end: what nobody has given back or used again since is looked at too. */
void track_look_at_end(void);

size_t track_usable_size(const void *p, const void *caller);

/* Where the entry was called from: passed on by every entry that is not itself a tail call. */
#define CALLER __builtin_return_address(0)
#define FRAME  __builtin_frame_address(0)

#endif
