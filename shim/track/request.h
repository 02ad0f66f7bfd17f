/* What track.c and realloc.c share: what is asked for, and the steps of giving it. */
#ifndef WEIR_TRACK_REQUEST_H
#define WEIR_TRACK_REQUEST_H

#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/box/stacks.h"
#include "shim/track/report.h"
#include "shim/track/track.h"

#include <stdatomic.h>

/* What is asked for, and by whom. */
struct request {
    size_t n, alignment;
    bool zero;
    enum family family;
    enum ceiling_operation operation;
    const struct side *origin; /* of a block that moves: it stays what it was, made where and when it was made */
    struct draw draw;          /* with an origin: what it is drawn by from here on */
    const void *caller, *frame;
};

/* The thread's kernel id, for entries; 0: a filter forbids to ask. */
void track_note_thread(uint32_t owner);
ALWAYS_INLINE uint32_t track_thread(void) {
    uint32_t owner = atomic_load_explicit(&lock_page.owner, memory_order_relaxed);
    if (unlikely(tls.thread == 0 || tls.thread_owner != owner)) track_note_thread(owner);
    return tls.thread;
}

/* The entry of a block that is made now; its state comes last, and is the caller's to set. */
ALWAYS_INLINE void track_fill(struct side *side, size_t n, enum family family, uint32_t stack, struct draw draw) {
    side->stack = stack;
    side->thread = track_thread() & 0x3fffff;
    side->family = (uint32_t)family & 7;
    side->is_link_map = side->freed_elsewhere = false;
    side->size = n & 0xffffffffffff;
    side->time = clock_made() >> SIDE_TIME_SHIFT & 0xffffffffff; /* some ms behind, at a quarter of the price */
    side_set_draw(side, draw);
    side_set_grown(side, STACK_UNKNOWN, 0);
}

/* The place has just come off a list and was written to while it was free, maybe: that is told. */
void track_tell_damage(void *p, const void *frame);

/* Another thread has freed it than made it: that is worth knowing where it is freed again. */
void track_note_elsewhere(struct side *side);

/* The place has just come off a list, and its block is live all the same: something wrote to a link. That is told, and
 * the rest of the list is used no more. */
void track_tell_live(void *p, const void *frame);
ALWAYS_INLINE bool track_is_live(void *p, const struct side *side, const void *frame) {
    if (likely(!SIDE_IS_LIVE(atomic_load_explicit(&((struct side *)(uintptr_t)side)->state, memory_order_relaxed))))
        return false;
    track_tell_live(p, frame);
    return true;
}

/* A block that nobody has seen, nor will. */
void track_take_back(void *p);

/* NULL with errno ENOMEM. */
void *track_allocate_or_refuse(const struct request *r);

/* --- between arena_enter and track_leave --- */

uint32_t track_take_stack(const void *frame);
uintptr_t track_stack_end(const void *frame); /* just behind that: up to there the stack is mapped, 0: not known */
bool track_may_find_room(void);               /* for a table that the ceiling has refused: it is worth another try */

/* The block was made just now, and drawn. */
void track_begin(const struct place *place, const struct request *r, struct draw draw);

/* Bytes more than were asked for, so that there is a pattern behind every block that has no guard there. */
size_t track_end_room(size_t n);

/* Both allocating and freeing may give the thread a heap. What is cancelled before its end is watched would take its
 * heap along. */
void track_leave_and_watch(bool outermost);
ALWAYS_INLINE void track_leave(bool outermost) {
    if (unlikely(!tls.watched && tls.heap && arena_watch_thread))
        track_leave_and_watch(outermost);
    else
        arena_leave(outermost);
    if (outermost) ceiling_look();
}

/* The stack for a mapping's owner, see ceiling/owners.h; not between those two. */
uint32_t track_stack_of_mapping(const void *frame);

/* --- pointers that are given back --- */

/* True when p is the start of a place that may hold a live block; else it was reported, or was another allocator's. */
bool track_check(const char *entry, const void *p, const struct place *place, const void *caller);

/* A tracked block was written to past its end: that is reported. */
void track_check_end(const char *entry, const struct place *place, const void *caller);

void track_misuse(enum misuse what, const char *entry, const void *p, const struct place *place, const void *caller);

#endif
