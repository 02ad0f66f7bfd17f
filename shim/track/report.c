/* Words for misuse; see report.h. */
#include "shim/track/report.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/options.h"
#include "shim/base/start.h"
#include "shim/base/text.h"
#include "shim/box/format.h"
#include "shim/box/modules.h"
#include "shim/box/stacks.h"

#include <stdatomic.h>
#include <stdlib.h>

#define FRAMES_SHOWN 8

/* Above every frame of this thread: its thread control block lies there, or what the kernel gave the first one. */
static uintptr_t stack_top(void) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    return start_stack_top > here && start_stack_top - here < 64 * MIB ? start_stack_top : thread_pointer();
}

static void add_block(struct text *t, const struct place *place) {
    text_add(t, "the block of ");
    text_add_number(t, place->tracked && place->side->size > 0 ? place->side->size : place->size);
    text_add(t, " bytes at ");
    text_add_hex(t, (uintptr_t)place->start);
}

static void add_what(struct text *t, enum misuse what, const void *p, const struct place *place, const void *caller) {
    uint64_t inside = (uint64_t)((uintptr_t)p - (uintptr_t)place->start);
    switch (what) {
    case MISUSE_DOUBLE_FREE:
        text_add(t, "double free of ");
        add_block(t, place);
        break;
    case MISUSE_INTERIOR:
        text_add(t, "not the start of a block: ");
        text_add_number(t, inside);
        text_add(t, " byte(s) into ");
        add_block(t, place);
        break;
    case MISUSE_NEVER_MADE:
        text_add(t, "in weir's arena, but there is no block (any more)");
        break;
    case MISUSE_CORRUPTED:
        text_add(t, "a free block was written to (use after free), found at the next allocation of ");
        text_add_number(t, place->size);
        text_add(t, " bytes");
        break;
    case MISUSE_NO_HEAP:
        text_add(t, module_of(p) != MODULE_NONE ? "not a block, but static data at "
                                                : "not a block, but on this thread's stack");
        if (module_of(p) != MODULE_NONE) module_describe(t, p);
        break;
    case MISUSE_FOREIGN:
        text_add(t, "not a block that weir made; it is ignored");
        break;
    }
    if (!caller) return;
    text_add(t, "; called from ");
    module_describe(t, caller);
}

static void add_stack(struct text *t, const char *title, uint32_t id) {
    if (id == STACK_UNKNOWN || id >= stack_count()) return;
    const struct stack *s = stack_at(id);
    text_add(t, "\nweir:   ");
    text_add(t, title);
    for (uint32_t i = 0; i < s->frames && i < FRAMES_SHOWN; i++) {
        uint64_t frame = stack_frames()[s->first_frame + i];
        text_add(t, i == 0 ? " " : " < ");
        module_describe_frame(t, frame);
    }
}

enum misuse report_kind_of_foreign(const void *p) {
    bool on_stack = (uintptr_t)p >= (uintptr_t)__builtin_frame_address(0) && (uintptr_t)p < stack_top();
    return module_of(p) != MODULE_NONE || on_stack ? MISUSE_NO_HEAP : MISUSE_FOREIGN;
}

void report_misuse(enum misuse what, const char *entry, const void *p, const struct place *place, const void *caller) {
    struct text t = {0};
    text_add(&t, "weir: ");
    text_add(&t, entry);
    text_add(&t, "(");
    text_add_hex(&t, (uintptr_t)p);
    text_add(&t, "): ");
    add_what(&t, what, p, place, caller);
    if (place->tracked && place->side) {
        add_stack(&t, "made at", place->side->stack);
        if (atomic_load_explicit(&place->side->state, memory_order_relaxed) == SIDE_FREED) {
            add_stack(&t, "freed at", place->side->freed_stack);
        }
    }
    message_send(&t);
    if (options.on_error == ON_ERROR_ABORT && what != MISUSE_FOREIGN) abort();
}
