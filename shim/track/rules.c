/* The rule cache; see rules.h.
 *
 * One table for all threads, keyed by code address. An entry is taken by exchanging its key for BUSY, and published by
 * storing its new key last; a reader checks the key before and after. Unloading a library moves the generation that
 * keys carry, which voids them all. */
#include "shim/track/rules.h"
#include "shim/base/region.h"
#include "shim/box/format.h"
#include "shim/box/modules.h"

#include <dlfcn.h>

#define PROBES   8
#define KEY_BUSY 1u

struct rule *rules;
size_t rules_mask;

bool rules_start(void) {
    static struct region table;
    size_t places = RULES_MAX;
    if (!region_reserve(&table, places * sizeof(struct rule), false)) return false;
    while (places > 1 && places * sizeof(struct rule) > table.size) places /= 2;
    if (!region_commit(&table, places * sizeof(struct rule))) return false;
    rules_mask = places - 1;
    rules = (struct rule *)(void *)table.base;
    return true;
}

/* --- from an address to its rule --- */

static bool is_plain(struct cfi_rule rule) {
    bool bp_inside = rule.bp_offset >= -rule.offset && rule.bp_offset < 0 && rule.bp_offset % 8 == 0;
    return rule.kind == CFI_SP && rule.offset >= 8 && rule.offset % 8 == 0 &&
           (rule.bp == CFI_BP_SAME || (rule.bp == CFI_BP_AT_CFA && bp_inside));
}

static struct known derive(uintptr_t code, uintptr_t lookup) {
    struct known k = {.frame = (uint64_t)DUMP_NO_MODULE << 48 | (code & 0xffffffffffff)};
    struct dl_find_object found;
    if (_dl_find_object((void *)lookup, &found) != 0) return k;
    k.rule = cfi_find(found.dlfo_eh_frame, lookup);
    /* What a stack was begun with may be the address of a function that says that it is the outermost. */
    struct cfi_rule itself = k.rule.kind == CFI_LOST ? cfi_find(found.dlfo_eh_frame, code) : k.rule;
    if (itself.kind == CFI_END) k.rule = itself;
    uint32_t id = module_of((const void *)lookup);
    if (id == MODULE_NONE) return k; /* without room in the table its code is an address, but the walk goes on */
    const struct module *m = module_at(id);
    k.frame = (uint64_t)id << 48 | ((code - m->bias) & 0xffffffffffff);
    k.own = (m->flags & DUMP_MODULE_WEIR) != 0;
    k.plain = !k.own && is_plain(k.rule);
    return k;
}

void rule_write(struct rule *e, uint64_t old, uint64_t key, const struct known *k) {
    if (old == KEY_BUSY) return;
    if (!atomic_compare_exchange_strong_explicit(&e->key, &old, KEY_BUSY, memory_order_acq_rel, memory_order_relaxed))
        return;
    atomic_thread_fence(memory_order_release);
    e->known = *k;
    atomic_store_explicit(&e->key, key, memory_order_release);
}

/* A generation whose number was used before: what is left of that is taken away first. */
void rules_forget(uint32_t generation) {
    static _Atomic uint32_t age;
    uint32_t now = generation / RULE_GENERATION, then = atomic_load_explicit(&age, memory_order_relaxed);
    if (likely(now == then) ||
        !atomic_compare_exchange_strong_explicit(&age, &then, now, memory_order_relaxed, memory_order_relaxed))
        return;
    for (size_t i = 0; i <= rules_mask; i++) atomic_store_explicit(&rules[i].key, 0, memory_order_relaxed);
}

void rule_find(uintptr_t code, bool exact, uint32_t generation, struct known *k) {
    uint64_t key = rule_key(code, exact, generation);
    size_t slot = rule_slot(code);
    struct rule *victim = &rules[slot];
    uint64_t victim_key = 0;
    for (size_t i = 0; i < PROBES; i++) {
        struct rule *e = &rules[(slot + i) & rules_mask];
        uint64_t there = atomic_load_explicit(&e->key, memory_order_relaxed);
        if (there == key && rule_read(e, key, k)) return;
        bool stale = there == 0 || there >> 49 != generation % RULE_GENERATION;
        if (i == 0 || (victim_key != 0 && stale)) victim = e, victim_key = there;
        if (there == 0) break;
    }
    *k = derive(code, exact ? code : code - 1);
    /* Code outside of modules is not kept: there is no rule to keep, and JIT code would crowd the others out. */
    if (DUMP_FRAME_MODULE(k->frame) != DUMP_NO_MODULE) rule_write(victim, victim_key, key, k);
}
