/* Backtraces. A frame is stepped over by a rule that was derived once from its call frame information and is found by
 * its code address ever after; code without such information (JIT) by the frame pointer. No lock is held, nothing is
 * allocated, and only memory that is known or has been probed to be mapped is read. */
#ifndef WEIR_TRACK_UNWIND_H
#define WEIR_TRACK_UNWIND_H

#include "shim/box/stacks.h"

bool unwind_start(void);

/* The id of the stack outwards from the caller of the function whose frame address (__builtin_frame_address(0), with a
 * frame pointer) is given. Frames inside libweir.so are left out. `h`: the thread's heap; NULL: it has
 * none. */
struct heap;
uint32_t unwind(const void *frame_address, struct heap *h);

/* The same where that is seldom: threads share what memory it takes. */
uint32_t unwind_seldom(const void *frame_address);

/* Where frames end that the thread's last walk, from just there, has found on this stack: from the frame up to there it
 * is mapped. 0: not known. Without a heap: that was a seldom one. */
uintptr_t unwind_end(const void *frame_address, struct heap *h);

/* The stack of that caller alone, which needs no start. */
uint32_t unwind_caller(const void *frame_address);

#endif
