/* The walk; see unwind.h.
 *
 * A thread remembers its last walk: every frame with the stack slots that led to the next one outwards. The next walk
 * goes outwards until a frame's code, stack pointer and frame pointer are those of a remembered one. From there on all
 * follows from the slots: as far as they hold what they held, the remembered frames are the frames, and where one does
 * not, the walk goes on from there. The slots are those that a walk would read, one after the other, so to read them
 * again is as safe as to walk again: where that would look first whether there is memory (step.h), this does.
 *
 * A remembered frame has its id in the stack table, so that only what lies inwards of it is looked up there: as long as
 * the whole stack is shown. Of a deeper one the frames that are shown are looked up each time, from the outermost of
 * them inwards. No more than about WEIR_DEPTH frames are read again; those further out may be old. */
#include "shim/track/unwind.h"
#include "shim/arena/heap.h"
#include "shim/base/lock.h"
#include "shim/base/region.h"
#include "shim/box/format.h"
#include "shim/box/modules.h"
#include "shim/ceiling/mappings.h"
#include "shim/track/rules.h"
#include "shim/track/step.h"

#define OWN_MAX 4 /* frames of weir's own that a stack may have beside those that are shown */
#define BEYOND                                                                                                         \
    32 /* frames that a walk goes beyond those that are shown: so far a program may return before it is all            \
        * to be done again */

#define READ_AGAIN(depth) ((depth) + OWN_MAX)
#define WALK_MAX(depth)   (READ_AGAIN(depth) + BEYOND)
#define CHAIN_MAX(depth)  (2 * WALK_MAX(depth))

/* The step outwards from a frame has read the code of the next one just below where that has its stack pointer, and bp,
 * where it did not stay as it was, in bp_slot. What bp is matters seldom: only where it tells where an outer frame
 * ends, before it is read again further out. Elsewhere a state's bp may be an old one. */
struct frame_state {
    uintptr_t code, sp, bp; /* in this frame */
    uintptr_t bp_slot;      /* 0: bp stays as it is */
    uint64_t frame;         /* as in DUMP_FRAMES */
    uint32_t stack;         /* id of this and all outer frames, if those are shown together; else STACK_UNKNOWN */
    bool sure;              /* reached by unwind information alone */
    uint8_t flags;          /* FRAME_… */
    uint8_t look;           /* LOOK_…: what beside the next one's code is to be looked at */
    uint8_t how;            /* STACK_… */
};
_Static_assert(sizeof(struct frame_state) == 48, "a frame's state is six words");

#define FRAME_OWN    1u /* not shown */
#define FRAME_BP     2u /* its bp matters */
#define FRAME_BY_BP  4u /* the step outwards from it used bp */
#define FRAME_BP_ODD 8u /* see struct walk */

#define LOOK_BP      1u /* at bp_slot */
#define LOOK_ANEW    2u /* the step outwards depended on more than the slots, and is to be made anew */

/* A thread's: here and not on its stack, which may be a coroutine's of a few KiB. A walk never interrupts another one
 * of its thread, since signal handlers inside weir are served untracked. */
struct recent {
    uint32_t length;     /* 0: nothing that can be used again */
    uint32_t generation; /* of the modules that its frames name */
    uint32_t gone;       /* mappings_gone when it was walked last: a stack may be */
    uint32_t stack;      /* id of the whole */
    bool open;           /* further out than the outermost of them there may be more */
    uintptr_t low, high; /* between them lie frames of the stack on which the last walk began */
    struct frame_state *fresh, *fresh_end;
    struct frame_state frames[]; /* the remembered ones, outermost first, so that what is kept stays where it is:
                                  * CHAIN_MAX; then a walk's, see struct fresh */
};

/* What a walk has met inwards of the remembered frames that it keeps, innermost first: WALK_MAX. */
struct fresh {
    uint32_t length, kept;
    uint32_t flags; /* DUMP_STACK_… of what lies outwards of it all, where none are kept */
    bool exact;     /* a frame that a signal interrupted: nothing of such a walk is remembered */
    uintptr_t end;  /* where the outermost frame ends that is one for certain */
};

#define RECENT_SIZE(depth)                                                                                             \
    round_up(sizeof(struct recent) + (CHAIN_MAX(depth) + WALK_MAX(depth)) * sizeof(struct frame_state), PAGE)

static struct region recents;
static size_t recent_size;

/* For threads that get no memory for a walk of their own; one at a time. */
static struct region spare;
static _Atomic uint32_t spare_taken; /* by the process that this is: a fork leaves it behind */

/* Where few blocks are tracked, the first so many are everybody's: 20 KiB a thread would be more than the samples are.
 */
#define SHARED_BITS 5
#define SHARED      ((size_t)1 << SHARED_BITS)
static struct shared {
    _Atomic uint32_t taken; /* as spare_taken */
    uintptr_t user;         /* the thread whose walk is remembered; its holder's */
} shared[SHARED];

bool unwind_start(void) {
    step_start();
    recent_size = RECENT_SIZE(options.depth);
    return rules_start() && region_reserve(&recents, (SHARED + HEAPS_MAX) * recent_size, false) &&
           region_reserve(&spare, recent_size, false) && region_commit(&spare, recent_size);
}

static struct recent *begin_one(struct recent *r) {
    r->length = 0;
    r->fresh = r->frames + (size_t)CHAIN_MAX(options.depth);
    r->fresh_end = r->fresh + WALK_MAX(options.depth);
    return r;
}

static struct recent *recent_at(size_t i) {
    size_t at = i * recent_size;
    if (!region_commit(&recents, at + recent_size)) return NULL;
    struct recent *r = (struct recent *)(void *)(recents.base + at);
    return likely(r->fresh != NULL) ? r : begin_one(r);
}

ALWAYS_INLINE struct recent *recent_of(struct heap *h) {
    if (likely(h && h->walk)) return h->walk;
    return h ? h->walk = recent_at(SHARED + h->index) : NULL;
}

/* --- what is remembered --- */

ALWAYS_INLINE bool is_state(const struct frame_state *f, const struct walk *w) {
    return f->sp == w->sp && f->code == w->code && (f->bp == w->bp || !(f->flags & FRAME_BP)) && f->sure == w->sure &&
           !w->exact && ((f->how & STACK_GUESS) != 0) == w->guessed &&
           (!(f->flags & FRAME_BP) || ((f->flags & FRAME_BP_ODD) != 0) == w->bp_odd);
}

/* Where a step would have looked whether there is memory, look. */
static COLD bool holds_slowly(struct walk *w, const struct frame_state *f) {
    const struct frame_state *next = f - 1;
    uintptr_t value;
    if (f->look == LOOK_ANEW || !step_load(w, next->sp - 8, next->sure, &value) || value != next->code) return false;
    return f->look == 0 || (step_load(w, f->bp_slot, next->sure, &value) && value == next->bp);
}

ALWAYS_INLINE bool holds(const struct frame_state *f) {
    const struct frame_state *next = f - 1;
    return *(const uintptr_t *)(next->sp - 8) == next->code &&
           (likely(f->look == 0) || (f->look == LOOK_BP && *(const uintptr_t *)f->bp_slot == next->bp));
}

/* The outermost remembered frame from `from` outwards that still is what the stack says, where what lies outwards of it
 * is not, or is not known; NULL: all are. */
static const struct frame_state *first_change(struct walk *w, const struct recent *r, const struct frame_state *from) {
    ptrdiff_t again = READ_AGAIN(options.depth);
    const struct frame_state *end = from - r->frames > again ? from - again : r->frames, *f = from;
    w->known = max_size(w->known, step_words(w->start, r->high));
    if (likely(end->sure && end->sp - 8 - w->start < w->known)) {
        for (; f > end; f--)
            if (unlikely(!holds(f))) return f;
    } else {
        for (; f > end; f--)
            if (!holds_slowly(w, f)) return f;
    }
    return unlikely(r->open) && end == r->frames && from - end + 1 < again ? end : NULL;
}

/* --- the walk --- */

/* The walk goes on outwards from the remembered frame `last`, whose caller is another one than it was; those from
 * `from` to there are what they were. */
static bool resume(struct fresh *f, struct walk *w, const struct recent *r, const struct frame_state *from,
                   const struct frame_state *last) {
    struct frame_state *to = r->fresh;
    for (; from > last; from--) {
        if (to + f->length == r->fresh_end) {
            f->flags |= DUMP_STACK_CUT;
            return false;
        }
        to[f->length] = *from;
        to[f->length++].bp = w->bp;
        if (from->bp_slot != 0 && !step_load(w, from->bp_slot, from[-1].sure, &w->bp)) return false;
    }
    w->code = last->code, w->sp = last->sp;
    w->sure = last->sure, w->bp_odd = last->flags & FRAME_BP_ODD, w->guessed = last->how & STACK_GUESS;
    return true;
}

/* Any step but a plain one. */
static NOINLINE bool step_otherwise(struct walk *w, struct cfi_rule rule, struct frame_state *s) {
    if (!step_outwards(w, rule)) return false;
    if (rule.kind != CFI_SP || rule.bp == CFI_BP_AT_BP) s->flags |= FRAME_BY_BP;
    /* A slot that does not lie in the frame is read by a step. */
    if (w->code_slot == 0 || (w->bp_slot != 0 && (w->bp_slot < s->sp || w->bp_slot >= w->sp))) s->look = LOOK_ANEW;
    s->bp_slot = w->code_slot != 0 ? w->bp_slot : 0;
    return true;
}

/* From the frame that w is in; false: it was the last one. */
static NOINLINE bool walk_one(struct fresh *f, struct walk *w, const struct recent *r) {
    struct known k;
    if (r->fresh + f->length == r->fresh_end) {
        f->flags |= DUMP_STACK_CUT;
        return false;
    }
    rule_of_code(w->code, w->exact, r->generation, &k);
    struct frame_state *s = &r->fresh[f->length++];
    *s = (struct frame_state){.code = w->code, .sp = w->sp, .bp = w->bp, .frame = k.frame, .sure = w->sure};
    s->flags = (uint8_t)((k.own ? FRAME_OWN : 0) | (w->bp_odd ? FRAME_BP_ODD : 0));
    s->how = (uint8_t)((w->exact ? STACK_EXACT : 0) | (w->guessed ? STACK_GUESS : 0));
    f->exact |= w->exact;
    w->guessed = false;
    if (s->sure && k.rule.kind != CFI_LOST) f->end = s->sp;
    if (k.rule.kind == CFI_END || (k.rule.kind == CFI_LOST && step_is_outermost(w->sp))) return false;
    if (step_otherwise(w, k.rule, s)) return true;
    if (w->code != 0) f->flags |= DUMP_STACK_LOST;
    return false;
}

/* The frames that most functions have, of which a rule is known and plain. Ends where one is another kind, or seems to
 * be a remembered one. */
ALWAYS_INLINE void walk_plain(struct fresh *f, struct walk *w, const struct recent *r, const struct frame_state **met) {
    const struct frame_state *old = *met, *first = r->frames;
    struct frame_state *from = r->fresh, *s = from + f->length, *end = r->fresh_end;
    uintptr_t code = w->code, sp = w->sp, bp = w->bp, last = w->start + w->known;
    const uint32_t generation = r->generation;
    for (; s < end; s++) {
        while (old > first && old[-1].sp < sp) old--;
        if (old > first && old[-1].sp == sp && old[-1].code == code) break;
        struct known k;
        if (unlikely(!rule_read(&rules[rule_slot(code)], rule_key(code, false, generation), &k)) || !k.plain) break;
        uintptr_t cfa = sp + (uintptr_t)(intptr_t)k.rule.offset;
        if (unlikely(cfa - 8 >= last)) break;
        s->code = code;
        s->sp = sp;
        s->bp = bp;
        s->bp_slot = 0;
        s->frame = k.frame;
        s->sure = true;
        s->flags = s->look = s->how = 0;
        if (k.rule.bp != CFI_BP_SAME) {
            s->bp_slot = cfa + (uintptr_t)(intptr_t)k.rule.bp_offset;
            bp = *(const uintptr_t *)s->bp_slot;
        }
        code = *(const uintptr_t *)(cfa - 8);
        sp = cfa;
        if (unlikely(code == 0)) { /* the end of a coroutine's */
            s++;
            break;
        }
    }
    f->length = (uint32_t)(s - from);
    if (f->length > 0) f->end = s[-1].sp;
    w->code = code, w->sp = sp, w->bp = bp;
    *met = old;
}

static void walk(struct fresh *f, struct walk *w, const struct recent *r) {
    const struct frame_state *old = r->frames + r->length; /* remembered ones that may still be met are below it */
    for (;;) {
        uint32_t length = f->length;
        if (likely(w->sure && !w->exact && !w->guessed && !w->bp_odd)) walk_plain(f, w, r, &old);
        if (unlikely(w->code == 0)) return;
        while (old > r->frames && old[-1].sp < w->sp) old--;
        if (old > r->frames && is_state(&old[-1], w)) {
            const struct frame_state *from = old - 1;
            old = first_change(w, r, from);
            if (likely(!old)) {
                f->kept = (uint32_t)(from - r->frames) + 1;
                return;
            }
            if (!resume(f, w, r, from, old)) return;
        } else if (f->length == length && !walk_one(f, w, r)) {
            return;
        }
    }
}

/* --- from a walk to an id --- */

/* Makes room for the fresh frames inwards of those that are kept, by giving up those that are no longer shown. */
static void shift(struct recent *r, struct fresh *f) {
    uint32_t stay = READ_AGAIN(options.depth), gone = f->kept - stay;
    ASSERT(f->kept > stay);
    for (uint32_t i = 0; i < stay; i++) r->frames[i] = r->frames[i + gone];
    f->kept = stay;
    r->open = true;
}

/* The id of the frames that are shown, of more than these; `from` is the innermost. */
static NOINLINE uint32_t id_of_shown(const struct recent *r, const struct frame_state *from) {
    const struct frame_state *f = from;
    uint32_t stack = stack_root(DUMP_STACK_CUT);
    for (uint32_t shown = !(f->flags & FRAME_OWN); f > r->frames && shown < options.depth;)
        shown += !((--f)->flags & FRAME_OWN);
    if (f == r->frames && !r->open) stack = f->flags & FRAME_OWN ? f->stack : stack_at(f->stack)->outer; /* it is all */
    for (; f <= from && stack != STACK_UNKNOWN; f++)
        if (!(f->flags & FRAME_OWN)) stack = stack_of_frame(stack, f->frame, f->how);
    return stack;
}

/* Puts the fresh frames inwards of those that are kept, and looks the stack up. STACK_UNKNOWN: there is no room. */
static uint32_t remember(struct recent *r, struct fresh *f) {
    uint32_t stack = stack_root(f->flags);
    bool bp_matters = false;
    if (f->length == 0 && f->kept == r->length) return r->stack;
    if (unlikely(r->frames + f->kept + f->length > r->fresh)) shift(r, f);
    struct frame_state *to = r->frames + f->kept;
    if (likely(f->kept > 0)) {
        stack = to[-1].stack;
        bp_matters = to[-1].flags & FRAME_BP;
    } else {
        r->open = f->flags & DUMP_STACK_CUT;
    }
    r->length = 0;
    const struct frame_state *first = r->fresh, *from = first + f->length;
    const struct frame_state *shown = r->open ? r->frames : r->frames + options.depth; /* so far each has an id */
    for (; from > first; to++) {
        *to = *--from;
        /* Whoever is further out may want the bp that is read here, or left as it is. */
        if (unlikely(bp_matters || to->flags != 0)) {
            if (to->look != LOOK_ANEW) to->look = bp_matters && to->bp_slot != 0 ? LOOK_BP : 0;
            bp_matters = (to->flags & FRAME_BY_BP) || (bp_matters && to->bp_slot == 0);
            to->flags = (uint8_t)((to->flags & ~FRAME_BP) | (bp_matters ? FRAME_BP : 0));
        }
        if (unlikely(to >= shown))
            stack = STACK_UNKNOWN;
        else if (likely(!(to->flags & FRAME_OWN)) &&
                 unlikely((stack = stack_of_frame(stack, to->frame, to->how)) == STACK_UNKNOWN))
            return stack;
        to->stack = stack;
    }
    if (unlikely(to > shown)) stack = id_of_shown(r, to - 1);
    r->stack = stack;
    if (likely(!f->exact && stack != STACK_UNKNOWN)) r->length = (uint32_t)(to - r->frames);
    return stack;
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
static void note_range(struct recent *r, const struct walk *w, const struct fresh *f) {
    bool same = f->kept > 0 || (r->length == 0 && w->start >= r->low && w->start < r->high);
    r->low = same && r->low < w->start ? r->low : w->start;
    r->high = same && r->high > f->end ? r->high : f->end;
    if (likely(f->kept > 0)) { /* the outermost that was read again */
        uint32_t again = READ_AGAIN(options.depth), last = f->kept - 1;
        const struct frame_state *outermost = &r->frames[last > again ? last - again : 0];
        if (outermost->sure) r->high = max_size(r->high, outermost->sp);
    }
}

static uint32_t unwind_with(struct recent *r, const void *frame_address) {
    struct walk w = {.start = (uintptr_t)frame_address, .sp = (uintptr_t)frame_address + 16, .sure = true};
    struct fresh f = {.length = 0};
    w.bp = ((const uintptr_t *)frame_address)[0];
    w.code = ((const uintptr_t *)frame_address)[1];
    uint32_t generation = atomic_load_explicit(&module_generation, memory_order_acquire);
    if (unlikely(r->generation != generation || r->length == 0)) {
        rules_forget(generation);
        r->length = 0;
        r->generation = generation;
    }
    uint32_t gone = atomic_load_explicit(&mappings_gone, memory_order_relaxed);
    if (unlikely(r->gone != gone)) {
        r->low = r->high = 0;
        r->gone = gone;
    }
    begin(&w, r);
    walk(&f, &w, r);
    note_range(r, &w, &f);
    return remember(r, &f);
}

static uintptr_t end_of(const struct recent *r, uintptr_t start) {
    return start >= r->low && start < r->high ? r->high : 0;
}

/* Of the last walk with a shared memory, whose next user it may be when this is asked for. */
static __thread uintptr_t shared_start, shared_end;

uintptr_t unwind_end(const void *frame_address, struct heap *h) {
    uintptr_t start = (uintptr_t)frame_address;
    if (!h) return shared_start == start ? shared_end : 0;
    struct recent *r = recent_of(h);
    return r ? end_of(r, start) : 0;
}

uint32_t unwind(const void *frame_address, struct heap *h) {
    struct recent *r = recent_of(h);
    if (likely(r != NULL)) return unwind_with(r, frame_address);
    if (!lock_try_word(&spare_taken)) return STACK_UNKNOWN;
    r = begin_one((struct recent *)(void *)spare.base);
    uint32_t id = unwind_with(r, frame_address);
    lock_give_word(&spare_taken);
    return id;
}

uint32_t unwind_seldom(const void *frame_address) {
    uintptr_t me = thread_pointer();
    uint32_t i = (uint32_t)(me * 0x9e3779b97f4a7c15u >> (64 - SHARED_BITS));
    struct recent *r = recent_at(i);
    if (!r || !lock_try_word(&shared[i].taken)) return unwind(frame_address, NULL);
    if (shared[i].user != me) r->length = 0, r->low = r->high = 0;
    shared[i].user = me;
    uint32_t id = unwind_with(r, frame_address);
    shared_start = (uintptr_t)frame_address;
    shared_end = end_of(r, shared_start);
    lock_give_word(&shared[i].taken);
    return id;
}

uint32_t unwind_caller(const void *frame_address) {
    const void *code = ((const void *const *)frame_address)[1];
    if (likely(rules != NULL)) {
        uint64_t frame;
        uint32_t generation = atomic_load_explicit(&module_generation, memory_order_acquire);
        uint64_t key = rule_key((uintptr_t)code, false, generation);
        struct rule *rule = &rules[rule_slot((uintptr_t)code)];
        struct known k;
        rules_forget(generation);
        if (likely(rule_read(rule, key, &k)) && likely(k.stack != STACK_UNKNOWN)) return k.stack;
        rule_of_code((uintptr_t)code, false, generation, &k);
        frame = k.own ? module_frame(code) : k.frame;
        k.stack = stack_of_frame(stack_root(DUMP_STACK_CUT), frame, 0);
        rule_write(rule, key, key, &k);
        return k.stack;
    }
    return stack_of_frame(stack_root(DUMP_STACK_CUT), module_frame(code), 0);
}
