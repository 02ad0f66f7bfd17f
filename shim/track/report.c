/* Words for misuse; see report.h. */
#include "shim/track/report.h"
#include "shim/base/clock.h"
#include "shim/base/options.h"
#include "shim/base/text.h"
#include "shim/box/format.h"
#include "shim/box/modules.h"
#include "shim/box/stacks.h"

#include <stdatomic.h>
#include <stdlib.h>

#define FRAMES_SHOWN 8

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
        text_add(t, "in weir's arena, but no block was made there");
        break;
    case MISUSE_CORRUPTED:
        text_add(t, "a free block was written to (use after free), found at the next allocation of ");
        text_add_number(t, place->size);
        text_add(t, " bytes");
        break;
    case MISUSE_FOREIGN: {
        uint32_t module = module_of(p);
        if (module != MODULE_NONE) {
            text_add(t, "not a block, but static data of ");
            module_describe(t, p);
        } else if ((uintptr_t)p >= tls.stack_low && (uintptr_t)p < tls.stack_high) {
            text_add(t, "not a block, but on this thread's stack");
        } else {
            text_add(t, "not a block that weir made");
        }
        break;
    }
    }
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
        uint32_t module = DUMP_FRAME_MODULE(frame);
        text_add(t, i == 0 ? " " : " < ");
        if (module == DUMP_NO_MODULE) {
            text_add_hex(t, DUMP_FRAME_OFFSET(frame));
        } else {
            module_describe(t, (const void *)(module_at(module)->bias + DUMP_FRAME_OFFSET(frame)));
        }
    }
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
    if (options.on_error == ON_ERROR_ABORT) abort();
}
