/* See jump.h. Without the tables that backtraces are remembered in: it is asked at every level, and hardly ever. */
#include "shim/track/jump.h"
#include "shim/arena/arena.h"
#include "shim/box/state.h"
#include "shim/track/step.h"

#include <dlfcn.h>

#define FRAMES_MAX 4096

static const char own_code; /* its address tells which module is weir itself */

static bool is_weirs(const struct dl_find_object *found) {
    return (const char *)found->dlfo_map_start <= &own_code && &own_code < (const char *)found->dlfo_map_end;
}

bool jump_is_weirs(uintptr_t code) {
    struct dl_find_object found;
    return _dl_find_object((void *)code, &found) == 0 && is_weirs(&found);
}

bool jump_leaves_weir(const void *frame, uintptr_t to) {
    struct walk w = {.start = (uintptr_t)frame, .sp = (uintptr_t)frame + 16, .sure = true};
    w.bp = ((const uintptr_t *)frame)[0];
    w.code = ((const uintptr_t *)frame)[1];
    w.mapped = step_words(w.start, step_end_of_first_stack(w.start));
    w.known = max_size(w.mapped, step_words(w.start, round_down(w.start, PAGE) + PAGE));
    for (int i = 0; i < FRAMES_MAX; i++) {
        uintptr_t code = w.exact ? w.code : w.code - 1;
        struct dl_find_object found;
        struct cfi_rule rule = {.kind = CFI_LOST};
        if (_dl_find_object((void *)code, &found) == 0) {
            if (is_weirs(&found) && w.sp >= to) return false;
            rule = cfi_find(found.dlfo_eh_frame, code);
        }
        if (rule.kind == CFI_END) return true;
        if (!step_outwards(&w, rule)) return w.code == 0;
    }
    return false;
}

void jump_give_up(void) {
    arena_left_by_jump();
    state_count_jump();
}
