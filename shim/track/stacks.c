/* Who it is that calls: the thread, and the stack, as far as there is room for it. */
#include "shim/arena/heap.h"
#include "shim/base/clock.h"
#include "shim/base/sys.h"
#include "shim/box/stacks.h"
#include "shim/box/state.h"
#include "shim/track/request.h"
#include "shim/track/unwind.h"

#include <stdatomic.h>

void track_note_thread(uint32_t owner) {
    long id = sys0(SYS_gettid);
    tls.thread = sys_failed(id) ? 0 : (uint32_t)id & 0x3fffff;
    tls.thread_owner = owner;
}

/* A table that the ceiling refused to grow may find what was freed meanwhile. A tick of the clock between such looks.
 */
bool track_may_find_room(void) {
    static _Atomic uint64_t looked;
    uint64_t now = clock_coarse();
    return tls.refused && atomic_exchange_explicit(&looked, now, memory_order_relaxed) != now && arena_reclaim();
}

/* At level disabled the one frame that every entry knows. */
static uint32_t trace(const void *frame) {
    if (state_sampling()) return unwind_seldom(frame);
    if (!state_tracking()) return unwind_caller(frame);
    return unwind(frame, heap_mine());
}

/* Where there is no room for the whole, the caller is better than nothing. */
static COLD uint32_t take_less(const void *frame) {
    uint32_t id = track_may_find_room() ? trace(frame) : STACK_UNKNOWN;
    if (id != STACK_UNKNOWN) return id;
    stack_lost();
    return unwind_caller(frame);
}

uint32_t track_take_stack(const void *frame) {
    uint32_t id = trace(frame);
    return likely(id != STACK_UNKNOWN) ? id : take_less(frame);
}

uintptr_t track_stack_end(const void *frame) {
    return unwind_end(frame, state_sampling() ? NULL : heap_mine());
}

uint32_t track_stack_of_mapping(const void *frame) {
    bool outermost = arena_enter();
    uint32_t stack = outermost && frame ? track_take_stack(frame) : STACK_UNKNOWN;
    track_leave(outermost);
    return stack;
}
