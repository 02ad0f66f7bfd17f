/* See frame.h. Without the tables that backtraces are remembered in: who changes them may be held in the middle. */
#include "shim/track/frame.h"
#include "shim/track/step.h"

#include <dlfcn.h>

#define FRAMES_MAX 1024 /* further out nothing is looked for */

struct whose_from frame_of_word(struct whose_from from, uintptr_t word) {
    struct walk w = {.code = from.code, .sp = from.sp, .bp = from.bp, .start = from.sp, .sure = true};
    w.exact = from.exact;
    w.mapped = step_words(w.start, step_end_of_first_stack(w.start));
    w.known = max_size(w.mapped, step_words(w.start, round_down(w.start, PAGE) + PAGE));
    for (int i = 0; i < FRAMES_MAX && w.code != 0; i++) {
        struct whose_from frame = {w.code, w.sp, w.bp, w.exact};
        uintptr_t code = w.exact ? w.code : w.code - 1;
        struct dl_find_object found;
        struct cfi_rule rule = {.kind = CFI_LOST};
        if (_dl_find_object((void *)code, &found) == 0) rule = cfi_find(found.dlfo_eh_frame, code);
        if (rule.kind == CFI_END || !step_outwards(&w, rule) || w.guessed) break; /* a guess tells no frame's end */
        if (word < w.sp) return frame;
    }
    return (struct whose_from){0};
}
