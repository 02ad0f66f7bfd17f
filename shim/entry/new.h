/* C++'s operators: the ones by which the others are defined, and what both kinds need. */
#ifndef WEIR_ENTRY_NEW_H
#define WEIR_ENTRY_NEW_H

#include "shim/track/track.h"

/* As the loader resolves them: the program's, where it replaces them. */
EXPORT void *_Znwm(size_t n);                                  /* new */
EXPORT void *_ZnwmSt11align_val_t(size_t n, size_t alignment); /* new of an aligned type */
EXPORT void _ZdlPv(void *p);                                   /* delete */
EXPORT void _ZdlPvSt11align_val_t(void *p, size_t alignment);  /* delete of an aligned type */

/* weir's own, whatever the loader resolves. */
void *new_own(size_t n) HIDDEN;
void *new_own_aligned(size_t n, size_t alignment) HIDDEN;
void delete_own(void *p) HIDDEN;
void delete_own_aligned(void *p, size_t alignment) HIDDEN;

/* Quiet when refused: who asks will ask again, and that refusal is the one that is reported. */
void *new_quietly(size_t n, size_t alignment, enum family family, const void *frame) HIDDEN;

/* The same. NULL also for what is no power of two, which C++ libraries refuse. */
void *new_aligned_quietly(size_t n, size_t alignment, enum family family, const void *frame) HIDDEN;

/* Where blocks are tracked: new[], which is told from new there. */
void *new_array(size_t n) HIDDEN;
void *new_aligned_array(size_t n, size_t alignment) HIDDEN;

/* The slow end of every delete. */
void new_give(void *p, const struct release *by, const void *frame) HIDDEN;

/* At start, where blocks are tracked: every operator is told from every other. derived.c */
void new_tell_apart(void) HIDDEN;

ALWAYS_INLINE bool new_alignment_is_valid(size_t alignment) {
    return alignment > 0 && (alignment & (alignment - 1)) == 0;
}

#endif
