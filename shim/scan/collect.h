/* WEIR_ON_LIMIT=collect: at the ceiling, tracked blocks that two searches a second apart or more have found lost are
 * freed, as the JDK's Cleaner frees the buffer of a ByteBuffer that nobody has any more. */
#ifndef WEIR_SCAN_COLLECT_H
#define WEIR_SCAN_COLLECT_H

#include "shim/base/base.h"

#define COLLECT_APART                                                                                                  \
    1000000000u /* ns between the two searches, at least; also between one collection and the next                     \
                 */

/* Once. `release` frees a tracked block, whatever function it is of. */
void collect_start(void (*release)(void *block, uint32_t family));

#endif
