/* Words for misuse; see report.h. */
#include "shim/track/report.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/options.h"
#include "shim/base/start.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/beacon.h"
#include "shim/box/modules.h"
#include "shim/box/stacks.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Above every frame of this thread: its thread control block lies there, or what the kernel gave the first one. */
static uintptr_t stack_top(void) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    return start_stack_top > here && start_stack_top - here < 64 * MIB ? start_stack_top : thread_pointer();
}

static bool is_freed(const struct place *place) {
    return place->tracked && atomic_load_explicit(&place->side->state, memory_order_relaxed) == SIDE_FREED;
}

/* What was asked for is known of tracked blocks only. */
void report_add_block(struct text *t, const struct place *place) {
    text_add(t, place->tracked ? "the block of " : "the place of ");
    text_add_number(t, place->tracked ? place->side->size : place->size);
    text_add(t, " bytes at ");
    text_add_hex(t, (uintptr_t)place->start);
}

static void add_interior(struct text *t, const void *p, const struct place *place) {
    uint64_t inside = (uint64_t)((uintptr_t)p - (uintptr_t)place->start);
    uint64_t size = place->tracked ? place->side->size : place->size;
    text_add(t, inside < size ? "not the start of a block: " : "not the start of a block, but beyond one's end: ");
    text_add_number(t, inside);
    text_add(t, inside < size ? " byte(s) into " : " byte(s) from the start of ");
    if (is_freed(place)) text_add(t, "what was ");
    report_add_block(t, place);
}

static void add_what(struct text *t, enum misuse what, const void *p, const struct place *place) {
    switch (what) {
    case MISUSE_DOUBLE_FREE:
        text_add(t, "double free of ");
        report_add_block(t, place);
        break;
    case MISUSE_INTERIOR:
        add_interior(t, p, place);
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
    case MISUSE_PAST_END:
    case MISUSE_AFTER_FREE:
        break; /* report_damage has words for them */
    }
}

void report_add_caller(struct text *t, const void *caller) {
    if (!caller) return;
    text_add(t, "; called from ");
    module_describe(t, caller);
}

void report_add_stacks(struct text *t, const struct side *side) {
    uint32_t state = atomic_load_explicit(&((struct side *)(uintptr_t)side)->state, memory_order_relaxed);
    module_describe_stack(t, "made at", side->stack);
    module_describe_stack(t, state == SIDE_FREED ? "freed at" : "grown at", side->latest_stack);
    if (state != SIDE_FREED || !side->freed_elsewhere) return;
    text_add(t, "\nweir:   freed by another thread than made it, ");
    text_add_number(t, side->thread);
}

enum misuse report_kind_of_foreign(const void *p) {
    bool on_stack = (uintptr_t)p >= (uintptr_t)__builtin_frame_address(0) && (uintptr_t)p < stack_top();
    return module_of(p) != MODULE_NONE || on_stack ? MISUSE_NO_HEAP : MISUSE_FOREIGN;
}

void report_begin(struct text *t, const char *entry, const void *p) {
    text_add(t, "weir: ");
    if (!entry) {
        text_add(t, "at exit: ");
        return;
    }
    text_add(t, entry);
    text_add(t, "(");
    text_add_hex(t, (uintptr_t)p);
    text_add(t, "): ");
}

static void end(struct text *t, const struct place *place, bool fatal) {
    if (place->tracked) report_add_stacks(t, place->side);
    message_send(t);
    if (fatal && options.on_error == ON_ERROR_ABORT) abort();
}

_Static_assert(MISUSE_DOUBLE_FREE + 1 == CORE_DOUBLE_FREE && MISUSE_NO_HEAP + 1 == CORE_NO_HEAP &&
                   MISUSE_AFTER_FREE + 1 == CORE_AFTER_FREE,
               "misuse is numbered as in a core, from 1");

static void note(enum misuse what, const void *p) {
    core_misuse = (struct core_misuse){(uintptr_t)p, (uint32_t)what + 1, sys_gettid()};
}

void report_misuse(enum misuse what, const char *entry, const void *p, const struct place *place, const void *caller) {
    struct text t = {0};
    note(what, what == MISUSE_DOUBLE_FREE ? place->start : p);
    report_begin(&t, entry, p);
    add_what(&t, what, p, place);
    report_add_caller(&t, caller);
    end(&t, place, what != MISUSE_FOREIGN);
}

void report_damage(enum misuse what, const char *entry, const struct place *place, size_t at, const void *caller) {
    struct text t = {0};
    note(what, place->start);
    report_begin(&t, entry, place->start);
    if (what == MISUSE_PAST_END) {
        report_add_block(&t, place);
        text_add(&t, " was written to past its end, at byte ");
        text_add_number(&t, at);
    } else {
        text_add(&t, "a free block was written to (use after free): byte ");
        text_add_number(&t, at);
        text_add(&t, " of what was ");
        report_add_block(&t, place);
        if (entry) text_add(&t, ", found when its place was to be used again");
    }
    report_add_caller(&t, caller);
    end(&t, place, true);
}
