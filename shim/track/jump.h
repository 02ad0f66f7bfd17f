/* A signal handler that interrupted weir may leave by siglongjmp, by an exception, or with its thread. The gates of the
 * fast paths then stay shut, and all that the thread asks for is served as if it were still inside that handler. */
#ifndef WEIR_TRACK_JUMP_H
#define WEIR_TRACK_JUMP_H

#include "shim/base/base.h"

/* Whether nothing of weir's is on the stack outwards of an entry's frame, once a jump has led to stack pointer `to`: 0,
 * no jump. False also where the stack cannot be followed to its end. */
bool jump_leaves_weir(const void *frame, uintptr_t to);
ALWAYS_INLINE bool jump_left_weir(const void *frame) {
    return jump_leaves_weir(frame, 0);
}

/* What a jump has left is given up, and counted; the caller is inside weir then, as after arena_enter. */
void jump_give_up(void);

/* Whether a code address is weir's own. */
bool jump_is_weirs(uintptr_t code);

#endif
