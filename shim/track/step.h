/* One step outwards on a stack, without a look only where frames are for certain.
 *
 * A step that follows unwind information, from a frame that was reached by such steps alone, reads what its frame's
 * function has written: its stack is there. Any other step believes a register that may hold anything, so each page
 * that it leads to is looked at, once a walk: what was mapped at the last walk may be gone at the next. */
#ifndef WEIR_TRACK_STEP_H
#define WEIR_TRACK_STEP_H

#include "shim/track/cfi.h"

struct walk {
    uintptr_t code, sp, bp;
    uintptr_t code_slot; /* where the last step read `code`; 0: the step depended on more than code_slot and bp_slot */
    uintptr_t bp_slot;   /* where it read `bp`; 0: bp was not changed */
    uintptr_t start;     /* where it began: the stack lies above */
    size_t known;        /* words that begin within so many bytes of `start` are frames' */
    size_t mapped;       /* words that do are mapped, whatever happens */
    uintptr_t seen;      /* a page that this walk has found to be readable */
    bool sure;           /* all steps so far followed unwind information */
    bool bp_odd;         /* what `bp` holds is not what the frame's function had in it */
    bool exact, guessed;
};

void step_start(void);

/* The end of the stack that the kernel gave the first thread, where p lies on it; else 0. All from a stack pointer on
 * it up to there is mapped. */
extern HIDDEN uintptr_t step_first_low, step_first_top;
ALWAYS_INLINE uintptr_t step_end_of_first_stack(uintptr_t p) {
    return p >= step_first_low && p < step_first_top ? step_first_top : 0;
}

/* Whether a frame with this stack pointer is the first one of all, ld.so's or the program's: above it lies what the
 * kernel left. Neither always has unwind information. */
bool step_is_outermost(uintptr_t sp);

/* Words that begin in so many bytes lie below `end`. */
ALWAYS_INLINE size_t step_words(uintptr_t start, uintptr_t end) {
    return end > start + 7 ? end - start - 7 : 0;
}

/* Asks the kernel whether the page can be read. */
bool step_may_read(struct walk *w, uintptr_t p);

/* `sure`: the address follows from unwind information. */
ALWAYS_INLINE bool step_load(struct walk *w, uintptr_t p, bool sure, uintptr_t *value) {
    if (unlikely(p - w->start >= (sure ? w->known : w->mapped)) && !step_may_read(w, p)) return false;
    *value = *(const uintptr_t *)p;
    return true;
}

/* False: there is no way on; w->code is 0 when that is because the outermost frame was reached. */
bool step_outwards(struct walk *w, struct cfi_rule rule);

#endif
