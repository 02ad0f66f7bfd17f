/* What the program has said is no leak: blocks, and memory that leads to blocks wherever it lies. A tracked block has a
 * bit of its entry (SIDE_IGNORED), which goes with it. Of one that nobody tracks the place is kept for good: what is
 * made there later is ignored too. Nothing is locked; a fork, or a jump out of a handler, loses a place at worst. */
#ifndef WEIR_BOX_IGNORED_H
#define WEIR_BOX_IGNORED_H

#include "shim/base/base.h"

#define IGNORED_PLACES  4096u /* of blocks that nobody tracks, less an eighth */
#define IGNORED_REGIONS 1024u

/* The live block that p points to, or into; or the part of one that begins there (pools.h). */
enum ignored { IGNORED_NOW, IGNORED_BEFORE, IGNORED_NO_BLOCK, IGNORED_NO_ROOM };
enum ignored ignored_add(const void *p);

/* The calling thread enters a scope whose blocks are all no leaks, or leaves it; scopes may nest. False: it is in none.
 */
bool ignored_scope(bool begins);

/* Whether there may be any; whether one is, of which `block` is where it begins. */
bool ignored_any(void);
bool ignored_has(const void *block);

/* False: there is no room for another region; there is none of that start and size. A region that was added twice is to
 * be removed twice. */
bool ignored_add_region(const void *start, size_t size);
bool ignored_remove_region(const void *start, size_t size);

/* Each region that is there, beside threads that may change them. */
void ignored_each_region(void (*see)(uintptr_t from, uintptr_t end));

#endif
