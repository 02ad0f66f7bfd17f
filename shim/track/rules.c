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
#include <stdatomic.h>

#define CACHE_BITS  15
#define PROBES      8
#define KEY_BUSY    1u
#define GENERATIONS 0x8000u /* that keys tell apart */

struct cached {
    _Atomic uint64_t key; /* generation (16 bits) and code address (48 bits); 0 empty */
    uint64_t frame;       /* as in DUMP_FRAMES; module DUMP_NO_MODULE where it is not to be shown */
    struct cfi_rule rule;
};

static struct region cache;

bool rules_start(void) {
    size_t bytes = sizeof(struct cached) << CACHE_BITS;
    return region_reserve(&cache, bytes, false) && region_commit(&cache, bytes);
}

/* --- from an address to its rule --- */

#define OWN_FRAME UINT64_MAX

static struct known derive(uintptr_t code, uintptr_t lookup) {
    struct known k = {.frame = (uint64_t)DUMP_NO_MODULE << 48 | (code & 0xffffffffffff)};
    struct dl_find_object found;
    if (_dl_find_object((void *)lookup, &found) != 0) return k;
    k.rule = cfi_find(found.dlfo_eh_frame, lookup);
    uint32_t id = module_of((const void *)lookup);
    if (id == MODULE_NONE) return k; /* without room in the table its code is an address, but the walk goes on */
    const struct module *m = module_at(id);
    k.frame = (uint64_t)id << 48 | ((code - m->bias) & 0xffffffffffff);
    k.own = (m->flags & DUMP_MODULE_WEIR) != 0;
    return k;
}

static bool read_entry(const struct cached *e, uint64_t key, struct known *k) {
    if (atomic_load_explicit(&((struct cached *)(uintptr_t)e)->key, memory_order_acquire) != key) return false;
    k->frame = e->frame;
    k->rule = e->rule;
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&((struct cached *)(uintptr_t)e)->key, memory_order_relaxed) != key) return false;
    k->own = k->frame == OWN_FRAME;
    return true;
}

static void write_entry(struct cached *e, uint64_t old, uint64_t key, const struct known *k) {
    if (old == KEY_BUSY) return;
    if (!atomic_compare_exchange_strong_explicit(&e->key, &old, KEY_BUSY, memory_order_acq_rel, memory_order_relaxed))
        return;
    atomic_thread_fence(memory_order_release);
    e->frame = k->own ? OWN_FRAME : k->frame;
    e->rule = k->rule;
    atomic_store_explicit(&e->key, key, memory_order_release);
}

/* A generation whose number was used before: what is left of that is taken away first. */
static void forget(uint32_t generation) {
    static _Atomic uint32_t age;
    uint32_t now = generation / GENERATIONS, then = atomic_load_explicit(&age, memory_order_relaxed);
    if (likely(now == then) ||
        !atomic_compare_exchange_strong_explicit(&age, &then, now, memory_order_relaxed, memory_order_relaxed))
        return;
    struct cached *table = (struct cached *)(void *)cache.base;
    for (size_t i = 0; i < (size_t)1 << CACHE_BITS; i++) atomic_store_explicit(&table[i].key, 0, memory_order_relaxed);
}

struct known rule_of_code(uintptr_t code, bool exact) {
    uint32_t unloads = atomic_load_explicit(&module_generation, memory_order_acquire);
    uint64_t generation = unloads % GENERATIONS;
    forget(unloads);
    uint64_t key = (generation << 1 | exact) << 48 | (code & 0xffffffffffff);
    struct cached *table = (struct cached *)(void *)cache.base;
    size_t slot = (size_t)((code * 0x9e3779b97f4a7c15u) >> (64 - CACHE_BITS));
    struct cached *victim = &table[slot];
    uint64_t victim_key = 0;
    for (size_t i = 0; i < PROBES; i++) {
        struct cached *e = &table[(slot + i) & ((1u << CACHE_BITS) - 1)];
        struct known k;
        uint64_t there = atomic_load_explicit(&e->key, memory_order_relaxed);
        if (likely(there == key) && likely(read_entry(e, key, &k))) return k;
        if (i == 0 || (victim_key != 0 && (there == 0 || there >> 49 != generation))) victim = e, victim_key = there;
        if (there == 0) break;
    }
    struct known k = derive(code, exact ? code : code - 1);
    /* Code outside of modules is not kept: there is no rule to keep, and JIT code would crowd the others out. */
    if (DUMP_FRAME_MODULE(k.frame) != DUMP_NO_MODULE) write_entry(victim, victim_key, key, &k);
    return k;
}
