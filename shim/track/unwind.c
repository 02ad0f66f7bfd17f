/* The walk; see unwind.h.
 *
 * A thread remembers its last walk: every frame with the stack slots that led to it. The next one walks its fresh
 * frames only. Where a fresh frame's code, stack pointer and frame pointer are those of a remembered one, all that lies
 * outwards follows from the slots: when they still hold what they held, the remembered frames are the frames, and so is
 * the hash over them, which is made from the outermost frame inwards for that purpose. The slots are those that a walk
 * would read, one after the other, so to read them again is as safe as to walk again: where that would look first
 * whether there is memory (step.h), this does. */
#include "shim/track/unwind.h"
#include "shim/arena/heap.h"
#include "shim/base/lock.h"
#include "shim/base/region.h"
#include "shim/box/format.h"
#include "shim/box/modules.h"
#include "shim/track/rules.h"
#include "shim/track/step.h"

#define CHAIN_MAX     (OPTION_DEPTH_MAX + 4) /* and frames of weir's own, which are not shown */
#define FRAME_OWN     UINT64_MAX
#define RECENT_STRIDE (20 * KIB)
#define SEED          0x243f6a8885a308d3u

struct frame_state {
    uintptr_t code, sp, bp;       /* in this frame */
    uintptr_t code_slot, bp_slot; /* where the step outwards from here reads the next code and bp; see struct walk */
    uint64_t frame;               /* FRAME_OWN: not shown */
    uint64_t hash;                /* over this and all outer frames */
    uint32_t shown;               /* of this and all outer frames, how many are */
    bool sure;                    /* reached by unwind information alone */
};

/* The fresh frames, innermost first, and how many of the remembered ones lie outwards of them. */
struct fresh {
    uint32_t length, kept;
    uint32_t flags, shown;
    bool exact;    /* a frame that a signal interrupted: nothing of such a walk is remembered */
    uintptr_t end; /* where the outermost frame ends that is one for certain */
    uint64_t exact_bits;
    struct frame_state chain[CHAIN_MAX];
};

/* A thread's: here and not on its stack, which may be a coroutine's of a few KiB. A walk never interrupts another one
 * of its thread, since signal handlers inside weir are served untracked. */
struct recent {
    uint32_t length; /* 0: nothing that can be used again */
    uint32_t flags;
    uint32_t stack;                      /* the id of the whole of it */
    uint32_t generation;                 /* of the modules that its frames name */
    uintptr_t low, high;                 /* between them lie frames of the stack on which the last walk began */
    struct frame_state chain[CHAIN_MAX]; /* outermost first, so that what is kept stays where it is */
    struct fresh fresh;
    struct trace trace;
};
_Static_assert(sizeof(struct recent) <= RECENT_STRIDE, "a thread's walks are five pages");

static struct region recents;

/* For threads that get no memory for a walk of their own; one at a time. */
static struct recent spare;
static _Atomic uint32_t spare_taken; /* by the process that this is: a fork leaves it behind */

/* Where few blocks are tracked, the first so many are everybody's: 20 KiB a thread would be more than the samples are.
 */
#define SHARED_BITS 5
static struct shared {
    _Atomic uint32_t taken; /* as spare_taken */
    uintptr_t user;         /* the thread whose walk is remembered; its holder's */
} shared[1 << SHARED_BITS];

bool unwind_start(void) {
    step_start();
    return rules_start() && region_reserve(&recents, HEAPS_MAX * RECENT_STRIDE, false);
}

static struct recent *recent_of(uint32_t cache) {
    size_t at = cache * RECENT_STRIDE;
    if (cache == STACKS_NO_CACHE || !region_commit(&recents, at + RECENT_STRIDE)) return NULL;
    return (struct recent *)(void *)(recents.base + at);
}

static uint64_t mix(uint64_t hash, uint64_t frame) {
    hash = (hash ^ frame) * 0x9fb21c651e98df25u;
    return hash ^ hash >> 29;
}

/* Whether all that lies outwards of the remembered frame `from` still is what the stack says. */
static bool still_valid(struct walk *w, const struct recent *r, uint32_t from) {
    uintptr_t value;
    w->known = max_size(w->known, step_words(w->start, r->high));
    for (uint32_t i = from; i > 0; i--) {
        const struct frame_state *c = &r->chain[i];
        bool sure = c[-1].sure;
        if (c->code_slot == 0 || !step_load(w, c->code_slot, sure, &value) || value != c[-1].code) return false;
        if (c->bp_slot != 0 && (!step_load(w, c->bp_slot, sure, &value) || value != c[-1].bp)) return false;
    }
    return true;
}

static bool is_state(const struct frame_state *c, const struct walk *w) {
    return c->sp == w->sp && c->code == w->code && c->bp == w->bp && c->sure == w->sure && !w->exact;
}

static void walk(struct fresh *f, struct walk *w, const struct recent *r) {
    uint32_t old = r->length; /* remembered frames that may still be met: those below it */
    f->length = f->kept = f->flags = f->shown = 0;
    f->exact = false;
    f->exact_bits = f->end = 0;
    for (;;) {
        while (old > 0 && r->chain[old - 1].sp < w->sp) old--;
        if (old > 0 && is_state(&r->chain[old - 1], w)) {
            if (still_valid(w, r, old - 1)) {
                f->kept = old;
                return;
            }
            old = 0; /* a different caller further out: all is fresh from here on */
        }
        struct known k = rule_of_code(w->code, w->exact);
        if (!k.own && f->shown == options.depth) {
            f->flags |= DUMP_STACK_CUT;
            return;
        }
        if (f->length == CHAIN_MAX) {
            f->flags |= DUMP_STACK_CUT;
            return;
        }
        struct frame_state *c = &f->chain[f->length++];
        c->code = w->code;
        c->sp = w->sp;
        c->bp = w->bp;
        c->sure = w->sure;
        c->frame = k.own ? FRAME_OWN : k.frame;
        c->code_slot = c->bp_slot = 0;
        if (w->sure && k.rule.kind != CFI_LOST) f->end = w->sp;
        if (w->exact) {
            f->exact = true;
            if (!k.own && f->shown < 64) f->exact_bits |= 1ull << f->shown;
        }
        f->shown += !k.own;
        if (k.rule.kind == CFI_END || (k.rule.kind == CFI_LOST && step_is_outermost(w->sp))) return;
        if (!step_outwards(w, k.rule)) {
            if (w->code != 0) f->flags |= DUMP_STACK_LOST;
            return;
        }
        c->code_slot = w->code_slot;
        c->bp_slot = w->bp_slot;
    }
}

/* Puts the fresh frames inwards of those that are kept, and continues the hash over them. */
static void remember(struct recent *r, const struct fresh *f) {
    uint64_t hash = SEED;
    uint32_t shown = 0;
    struct frame_state *c = r->chain + f->kept;
    if (f->kept > 0)
        hash = c[-1].hash, shown = c[-1].shown;
    else
        r->flags = f->flags;
    for (uint32_t i = f->length; i-- > 0; c++) {
        *c = f->chain[i];
        if (c->frame != FRAME_OWN) hash = mix(hash, c->frame), shown++;
        c->hash = hash;
        c->shown = shown;
    }
    r->length = f->kept + f->length;
}

static uint32_t id_of(struct recent *r, uint32_t cache) {
    struct trace *t = &r->trace;
    t->frames = 0;
    t->exact = r->fresh.exact_bits;
    t->flags = r->flags;
    t->hash = r->length > 0 ? r->chain[r->length - 1].hash : SEED;
    for (uint32_t i = r->length; i-- > 0;)
        if (r->chain[i].frame != FRAME_OWN) t->frame[t->frames++] = r->chain[i].frame;
    return stack_id(t, cache);
}

/* What lies above `start` for certain. The page of a stack pointer is mapped; more is known of the stack that the last
 * walk was on. */
static void begin(struct walk *w, const struct recent *r) {
    uintptr_t first = step_end_of_first_stack(w->start);
    bool same = w->start >= r->low && w->start < r->high;
    w->mapped = step_words(w->start, first);
    w->known = max_size(w->mapped, step_words(w->start, same ? r->high : round_down(w->start, PAGE) + PAGE));
}

/* Another stack, as far as one can tell, when nothing on it is remembered: what was known of the last one is void. */
static void note_stack(struct recent *r, const struct walk *w, const struct fresh *f) {
    bool same = f->kept > 0 || (r->length == 0 && w->start >= r->low && w->start < r->high);
    r->low = same && r->low < w->start ? r->low : w->start;
    r->high = same && r->high > f->end ? r->high : f->end;
}

static uint32_t unwind_with(struct recent *r, const void *frame_address, uint32_t cache) {
    struct walk w = {.start = (uintptr_t)frame_address, .sp = (uintptr_t)frame_address + 16, .sure = true};
    w.bp = ((const uintptr_t *)frame_address)[0];
    w.code = ((const uintptr_t *)frame_address)[1];
    struct fresh *f = &r->fresh;
    uint32_t generation = atomic_load_explicit(&module_generation, memory_order_acquire);
    if (unlikely(r->generation != generation)) r->length = 0;
    r->generation = generation;
    begin(&w, r);
    walk(f, &w, r);
    note_stack(r, &w, f);
    if (f->kept > 0) {
        if (f->length == 0 && f->kept == r->length) return r->stack;
        if (f->shown + r->chain[f->kept - 1].shown > options.depth || f->kept + f->length > CHAIN_MAX) {
            r->length = 0; /* deeper than is kept: what falls off the end changes the hash */
            return unwind_with(r, frame_address, cache);
        }
    }
    if (w.guessed) f->flags |= DUMP_STACK_GUESS;
    remember(r, f);
    if (f->kept > 0) r->flags |= f->flags & DUMP_STACK_GUESS;
    r->stack = id_of(r, cache);
    uint32_t id = r->stack;
    /* What found no room may find some next time. */
    if (f->exact || (r->flags & DUMP_STACK_CUT) || id == STACK_UNKNOWN) r->length = 0;
    return id;
}

uint32_t unwind(const void *frame_address, uint32_t cache) {
    struct recent *r = recent_of(cache);
    if (likely(r != NULL)) return unwind_with(r, frame_address, cache);
    if (!lock_try_word(&spare_taken)) return STACK_UNKNOWN;
    spare.length = 0;
    uint32_t id = unwind_with(&spare, frame_address, cache);
    lock_give_word(&spare_taken);
    return id;
}

uint32_t unwind_seldom(const void *frame_address) {
    uintptr_t me = thread_pointer();
    uint32_t i = (uint32_t)(me * 0x9e3779b97f4a7c15u >> (64 - SHARED_BITS));
    struct recent *r = recent_of(i);
    if (!r || !lock_try_word(&shared[i].taken)) return unwind(frame_address, STACKS_NO_CACHE);
    if (shared[i].user != me) r->length = 0, r->low = r->high = 0;
    shared[i].user = me;
    uint32_t id = unwind_with(r, frame_address, STACKS_NO_CACHE);
    lock_give_word(&shared[i].taken);
    return id;
}

uint32_t unwind_caller(const void *frame_address, uint32_t cache) {
    struct trace t;
    t.frames = 1;
    t.flags = DUMP_STACK_CUT;
    t.exact = 0;
    t.frame[0] = module_frame(((const void *const *)frame_address)[1]);
    t.hash = mix(SEED, t.frame[0]);
    return stack_id(&t, cache);
}
