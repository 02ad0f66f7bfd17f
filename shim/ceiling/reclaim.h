/* The one way out at the ceiling: what weir retains is given back, and the request tries again. */
#ifndef WEIR_CEILING_RECLAIM_H
#define WEIR_CEILING_RECLAIM_H

#include "shim/base/base.h"

/* As java.nio.Bits: pauses of 1, 2, 4 ... 256 ms. */
#define RECLAIM_PAUSE_MAX 256 /* ms, the last one; 511 ms in all */

/* An attempt that charges was refused, tls.refused says by whom; it is made again after free memory was given back.
 * With WEIR_ON_LIMIT=reclaim other threads are asked for theirs, too, and waited for, as long as what they may have is
 * enough. With collect what is lost is freed then. True: an attempt succeeded. Between arena_enter and arena_leave, on
 * the outermost slow path, which is left while it waits: nothing may be in hand. */
bool reclaim_and_retry(bool (*attempt)(void *), void *argument);

/* Gives back what can be had without waiting, and asks other threads for theirs. */
void reclaim_what_is_retained(void);

#endif
