/* A signal handler that interrupted weir may leave by siglongjmp. The gates of the fast paths then stay shut, and all
 * that the thread asks for is served as if it were still inside that handler. */
#ifndef WEIR_TRACK_JUMP_H
#define WEIR_TRACK_JUMP_H

#include "shim/base/base.h"

/* Whether nothing of weir's is interrupted any more on the stack outwards of an entry's frame. False also where the
 * stack cannot be followed to its end. */
bool jump_left_weir(const void *frame);

#endif
