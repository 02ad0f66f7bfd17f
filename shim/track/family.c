/* See family.h. */
#include "shim/track/family.h"
#include "shim/base/options.h"
#include "shim/base/text.h"
#include "shim/box/modules.h"
#include "shim/box/stacks.h"
#include "shim/box/state.h"
#include "shim/track/report.h"
#include "shim/track/request.h"

#include <stdatomic.h>
#include <stdlib.h>

#define PAIRS 1024u /* of sites; what is past them is counted only */

static bool ignored;
static _Atomic uint64_t pairs[PAIRS]; /* the stack of creation above that of the release */

void family_ignore(void) {
    ignored = true;
}

/* A C++ runtime inside of a module, linked statically or bound to itself, asks malloc for what its operators give out:
 * a block that its malloc made, or that its free takes, may be of either kind. */
static bool may_be_an_operators(uint32_t family, const void *code) {
    return family == FAMILY_MALLOC && (!code || module_has_operators(code));
}

static const void *maker_of(const struct side *side) {
    return stack_is_one(side->stack) ? module_code(stack_at(side->stack)->frame) : NULL;
}

static bool is_new_pair(uint32_t made, uint32_t released) {
    uint64_t pair = (uint64_t)made << 32 | released;
    size_t slot = (size_t)((pair * 0x9e3779b97f4a7c15u) >> 32);
    for (size_t i = 0; i < PAIRS; i++) {
        _Atomic uint64_t *p = &pairs[(slot + i) % PAIRS];
        uint64_t there = 0;
        if (atomic_compare_exchange_strong_explicit(p, &there, pair, memory_order_relaxed, memory_order_relaxed))
            return true;
        if (there == pair) return false;
    }
    return false;
}

static const char *words_of(uint32_t family) {
    switch (family) {
    case FAMILY_NEW:
        return "operator new";
    case FAMILY_ARRAY:
        return "operator new[]";
    case FAMILY_NEW | FAMILY_ALIGNED:
        return "operator new of an aligned type";
    case FAMILY_ARRAY | FAMILY_ALIGNED:
        return "operator new[] of an aligned type";
    default:
        return "malloc";
    }
}

static void say(const struct place *place, const struct release *by, const void *caller, uint32_t stack) {
    struct text t = {0};
    report_begin(&t, by->entry, place->start);
    if (by->sized && by->size != place->side->size) {
        text_add(&t, "as one of ");
        text_add_number(&t, by->size);
        text_add(&t, " bytes, but ");
    }
    report_add_block(&t, place);
    text_add(&t, " was made by ");
    text_add(&t, words_of(place->side->family));
    report_add_caller(&t, caller);
    module_describe_stack(&t, "made at", place->side->stack);
    module_describe_stack(&t, by->resized ? "resized at" : "freed at", stack);
    message_send(&t);
}

/* Where most blocks are, or were, served by the fast paths, those do not tell new[] from new (entry/derived.c). */
static uint32_t told_apart(uint32_t family) {
    return state_of_process.sampled && (family & FAMILY_ARRAY) == FAMILY_ARRAY ? family ^ FAMILY_NEW ^ FAMILY_ARRAY
                                                                               : family;
}

void family_check(const struct place *place, const struct release *by, const void *caller, const void *frame) {
    const struct side *side = place->side;
    if (options.on_mismatch == ON_MISMATCH_OFF || ignored) return;
    if (side->family == FAMILY_UNKNOWN || by->family == FAMILY_UNKNOWN) return;
    if (likely(told_apart(side->family) == told_apart(by->family) && (!by->sized || by->size == side->size))) return;
    if (may_be_an_operators(side->family, maker_of(side)) || may_be_an_operators(by->family, caller)) return;
    state_count_mismatch();
    uint32_t stack = frame ? track_take_stack(frame) : STACK_UNKNOWN;
    if (!is_new_pair(side->stack, stack)) return;
    say(place, by, caller, stack);
    if (options.on_mismatch == ON_MISMATCH_ABORT) abort();
}
