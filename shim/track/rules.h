/* From a code address to how its frame is stepped over, derived once from call frame information and remembered. */
#ifndef WEIR_TRACK_RULES_H
#define WEIR_TRACK_RULES_H

#include "shim/track/cfi.h"

#include <stdatomic.h>

struct known {
    uint64_t frame; /* as in DUMP_FRAMES */
    struct cfi_rule rule;
    bool own;       /* code of libweir.so: not to be shown */
    bool plain;     /* the next frame lies `offset` bytes further out, a multiple of 8; bp is in this one, or stays */
    uint32_t stack; /* of the frame alone, where that was asked for */
};

#define RULES_MAX       16384u
#define RULE_GENERATION 0x8000u /* generations of modules that keys tell apart */

/* What is remembered of a code address. A reader checks the key before and after. */
struct rule {
    _Atomic uint64_t key; /* generation (15 bits), whether exact, code address (48 bits); 0: empty */
    struct known known;
};

extern HIDDEN struct rule *rules;
extern HIDDEN size_t rules_mask; /* places, less one: fewer where there is little address space */

bool rules_start(void);

ALWAYS_INLINE uint64_t rule_key(uintptr_t code, bool exact, uint32_t generation) {
    return ((uint64_t)(generation % RULE_GENERATION) << 1 | exact) << 48 | (code & 0xffffffffffff);
}
ALWAYS_INLINE size_t rule_slot(uintptr_t code) {
    return (size_t)((code * 0x9e3779b97f4a7c15u) >> 48) & rules_mask;
}

ALWAYS_INLINE bool rule_read(const struct rule *e, uint64_t key, struct known *k) {
    if (atomic_load_explicit(&((struct rule *)(uintptr_t)e)->key, memory_order_acquire) != key) return false;
    *k = e->known;
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&((struct rule *)(uintptr_t)e)->key, memory_order_relaxed) == key;
}

/* The number of unloads (module_generation) is another one than at this thread's last question. */
void rules_forget(uint32_t generation);

/* Publishes what is known of the code with this key, where the entry has the key `old`. */
void rule_write(struct rule *e, uint64_t old, uint64_t key, const struct known *k);

void rule_find(uintptr_t code, bool exact, uint32_t generation, struct known *k);

/* `exact`: the address is where an instruction was interrupted, not where a call returns to. `generation`: of modules,
 * which rules_forget was told. */
ALWAYS_INLINE void rule_of_code(uintptr_t code, bool exact, uint32_t generation, struct known *k) {
    if (unlikely(!rule_read(&rules[rule_slot(code)], rule_key(code, exact, generation), k)))
        rule_find(code, exact, generation, k);
}

#endif
