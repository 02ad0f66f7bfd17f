/* The walk and the rule cache; see unwind.h.
 *
 * The cache is one table for all threads, keyed by code address. An entry is taken by exchanging its key for BUSY, and
 * published by storing its new key last; a reader checks the key before and after. A dlclose moves the generation that
 * keys carry, which voids them all. */
#include "shim/track/unwind.h"
#include "shim/arena/layout.h"
#include "shim/base/lock.h"
#include "shim/base/region.h"
#include "shim/base/start.h"
#include "shim/base/sys.h"
#include "shim/box/format.h"
#include "shim/track/cfi.h"
#include "shim/box/modules.h"

#include <stdatomic.h>

#define CACHE_BITS 15
#define PROBES 8
#define KEY_BUSY 1u
#define STACK_PAGES_MAX 16384 /* 64 MiB of stack are looked at before a pointer is taken to be on none of ours */
#define FRAME_MAX (16 * MIB)  /* a frame that claims to be larger is a mistake */

struct cached {
    _Atomic uint64_t key; /* generation (16 bits) and code address (48 bits); 0 empty */
    uint64_t frame;       /* as in DUMP_FRAMES; module DUMP_NO_MODULE where it is not to be shown */
    struct cfi_rule rule;
};

static struct region cache;

bool unwind_start(void) {
    size_t bytes = sizeof(struct cached) << CACHE_BITS;
    return region_reserve(&cache, bytes, false) && region_commit(&cache, bytes);
}

/* --- from an address to its rule --- */

struct known {
    uint64_t frame;
    struct cfi_rule rule;
    bool own; /* code of libweir.so */
};

#define OWN_FRAME UINT64_MAX

static struct known derive(uintptr_t code, uintptr_t lookup) {
    struct known k = {.frame = (uint64_t)DUMP_NO_MODULE << 48 | (code & 0xffffffffffff)};
    uint32_t id = module_of((const void *)lookup);
    if (id == MODULE_NONE) return k;
    const struct module *m = module_at(id);
    k.frame = (uint64_t)id << 48 | ((code - m->bias) & 0xffffffffffff);
    k.own = (m->flags & DUMP_MODULE_WEIR) != 0;
    k.rule = cfi_find(m->unwind_header, lookup);
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
    if (!atomic_compare_exchange_strong_explicit(&e->key, &old, KEY_BUSY, memory_order_acq_rel, memory_order_relaxed)) return;
    atomic_thread_fence(memory_order_release);
    e->frame = k->own ? OWN_FRAME : k->frame;
    e->rule = k->rule;
    atomic_store_explicit(&e->key, key, memory_order_release);
}

/* `exact`: the address is where an instruction was interrupted, not where a call returns to. */
static struct known find(uintptr_t code, bool exact) {
    uint64_t generation = atomic_load_explicit(&module_generation, memory_order_relaxed) & 0x7fff;
    uint64_t key = (generation << 1 | exact) << 48 | (code & 0xffffffffffff);
    struct cached *table = (struct cached *)(void *)cache.base;
    size_t slot = (size_t)((code * 0x9e3779b97f4a7c15u) >> (64 - CACHE_BITS));
    struct cached *victim = NULL;
    uint64_t victim_key = 0;
    for (size_t i = 0; i < PROBES; i++) {
        struct cached *e = &table[(slot + i) & ((1u << CACHE_BITS) - 1)];
        struct known k;
        uint64_t there = atomic_load_explicit(&e->key, memory_order_relaxed);
        if (likely(there == key) && likely(read_entry(e, key, &k))) return k;
        if (!victim || (victim_key != 0 && (there == 0 || there >> 49 != generation))) victim = e, victim_key = there;
        if (there == 0) break;
    }
    struct known k = derive(code, exact ? code : code - 1);
    /* Code outside of modules is not kept: there is no rule to keep, and JIT code would crowd the others out. */
    if (DUMP_FRAME_MODULE(k.frame) != DUMP_NO_MODULE) write_entry(victim, victim_key, key, &k);
    return k;
}

/* --- reading the stack --- */

/* Whether 8 bytes at p can be read: the kernel copies a signal set from there before it looks at the bad first
 * argument. Needs no permission, works under any seccomp filter that lets signal masks be set. */
static bool probe(uintptr_t p) { return sys4(SYS_rt_sigprocmask, 0x7fffffff, (long)p, 0, 8) != -14 /* EFAULT */; }

/* The thread's stack is mapped from wherever it has been seen down to, up to its top. Looks at new pages once. */
static bool extend_known_stack(uintptr_t p) {
    if (tls.stack_high == 0) {
        uintptr_t tp = thread_pointer();
        bool first = p < start_stack_top && start_stack_top - p < STACK_PAGES_MAX * PAGE;
        tls.stack_high = first ? start_stack_top : tp;
        tls.stack_low = round_down(tls.stack_high, PAGE);
    }
    if (p >= tls.stack_high || tls.stack_low - round_down(p, PAGE) > STACK_PAGES_MAX * PAGE) return false;
    while (tls.stack_low > p) {
        if (!probe(tls.stack_low - PAGE)) return false;
        tls.stack_low -= PAGE;
    }
    return true;
}

struct walk {
    uintptr_t code, sp, bp;
    uintptr_t probed; /* a page outside the thread's own stack that is known to be readable */
    bool exact, guessed;
};

static bool readable(struct walk *w, uintptr_t p) {
    if (likely(p >= tls.stack_low && p <= tls.stack_high - 8 && tls.stack_high)) return true;
    if (p & 7) return false;
    if (round_down(p, PAGE) == w->probed) return true;
    if (p < PAGE || !probe(p)) return false;
    w->probed = round_down(p, PAGE);
    return true;
}

static bool load(struct walk *w, uintptr_t p, uintptr_t *value) {
    if (!readable(w, p)) return false;
    *value = *(const uintptr_t *)p;
    return true;
}

/* --- stepping --- */

static bool step_by_frame_pointer(struct walk *w) {
    uintptr_t code, bp;
    if (w->bp < w->sp || w->bp - w->sp > FRAME_MAX || (w->bp & 7)) return false;
    if (!load(w, w->bp, &bp) || !load(w, w->bp + 8, &code)) return false;
    if (code < PAGE || (bp != 0 && bp <= w->bp)) return false;
    w->sp = w->bp + 16;
    w->bp = bp;
    w->code = code;
    w->exact = false;
    w->guessed = true;
    return true;
}

/* Offsets of the x86-64 kernel's struct ucontext (uapi asm/sigcontext.h): rbp, rsp, rip in uc_mcontext. */
static bool step_over_signal(struct walk *w) {
    uintptr_t context = w->sp;
    if (!load(w, context + 120, &w->bp) || !load(w, context + 160, &w->sp) || !load(w, context + 168, &w->code)) return false;
    w->exact = true;
    return w->code != 0;
}

static bool step(struct walk *w, struct cfi_rule rule) {
    uintptr_t cfa;
    switch (rule.kind) {
    case CFI_SP: cfa = w->sp + (uintptr_t)(intptr_t)rule.offset; break;
    case CFI_BP: cfa = w->bp + (uintptr_t)(intptr_t)rule.offset; break;
    case CFI_BP_LOAD:
        if (!load(w, w->bp + (uintptr_t)(intptr_t)rule.offset, &cfa)) return false;
        break;
    case CFI_SIGNAL: return step_over_signal(w);
    default: return step_by_frame_pointer(w);
    }
    if (cfa <= w->sp || cfa - w->sp > FRAME_MAX || (cfa & 7) || !load(w, cfa - 8, &w->code)) return false;
    uintptr_t bp = w->bp;
    if (rule.bp == CFI_BP_AT_CFA && !load(w, cfa + (uintptr_t)(intptr_t)rule.bp_offset, &bp)) return false;
    if (rule.bp == CFI_BP_AT_BP && !load(w, w->bp + (uintptr_t)(intptr_t)rule.bp_offset, &bp)) return false;
    w->bp = bp;
    w->sp = cfa;
    w->exact = false;
    return w->code != 0;
}

static uint64_t mix(uint64_t hash, uint64_t frame) { return (hash ^ frame) * 0x9fb21c651e98df25u ^ hash >> 29; }

void unwind(struct trace *t, const void *frame_address) {
    struct walk w = {.sp = (uintptr_t)frame_address + 16};
    if (w.sp < tls.stack_low || w.sp >= tls.stack_high) (void)extend_known_stack((uintptr_t)frame_address);
    w.bp = ((const uintptr_t *)frame_address)[0];
    w.code = ((const uintptr_t *)frame_address)[1];
    t->frames = 0;
    t->flags = 0;
    t->exact = 0;
    t->hash = 0x243f6a8885a308d3u;
    for (;;) {
        struct known k = find(w.code, w.exact);
        if (!k.own) {
            if (t->frames == options.depth) {
                t->flags |= DUMP_STACK_CUT;
                break;
            }
            if (w.exact && t->frames < 64) t->exact |= 1ull << t->frames;
            t->frame[t->frames++] = k.frame;
            t->hash = mix(t->hash, k.frame);
        }
        if (k.rule.kind == CFI_END) break;
        if (!step(&w, k.rule)) {
            if (w.code != 0) t->flags |= DUMP_STACK_LOST;
            break;
        }
    }
    if (w.guessed) t->flags |= DUMP_STACK_GUESS;
    t->hash ^= t->hash >> 32;
}
