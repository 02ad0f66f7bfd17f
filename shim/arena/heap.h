/* Heaps and slabs: a thread's cache, what it allocates from, and what others give back to it. Inside the arena only. */
#ifndef WEIR_ARENA_HEAP_H
#define WEIR_ARENA_HEAP_H

#include "shim/arena/arena.h"
#include "shim/arena/slices.h"

/* Loans: a class that has no slab yet takes places of the next power of two's slab, as long as that one has places and
 * not more than one step of it is in use. So a thread with a few blocks of many sizes needs a page a doubling, not one
 * a class. A loan holds only while the lender is its own class's current slab. */
#define LOAN_MAX (2 * KIB) /* the largest lending class: a page holds two places of it */

ALWAYS_INLINE struct bin *heap_bin(struct heap *h, bool tracked, unsigned class) {
    return &h->bins[(tracked ? CLASSES : 0) + class];
}
ALWAYS_INLINE struct heap *slab_owner(const struct slab *s) {
    return (struct heap *)(slab_owner_word(s) & ~(uintptr_t)OWNER_BITS);
}

/* --- heap.c: taking and giving on the owner's thread --- */

/* For a place that is tracked where it is drawn. */
struct heap_draw {
    bool drawn;
    struct draw draw;
};

/* A place of the class, from the thread's heap. NULL: refused, or drawn. Without `draw` marks are passed over. */
void *heap_take(struct heap *h, unsigned class, bool tracked, struct heap_draw *draw);

/* The same for untracked blocks where the current slab has nothing left and another one waits on the list; NULL: that
 * is not so, and nothing was done, or its first place is due. */
void *heap_take_listed(struct heap *h, unsigned class);

/* Takes a place back, on the owner's thread or any other. */
void heap_give(struct slab *s, void *p);

/* The free fast path's last act when `used` came down to 0. */
void heap_counted_down(struct slab *s);

/* The heap's sleeping slabs that have a place come back at once, and until a while after the last refusal each free
 * brings its slab back: memory is short. */
void heap_wake_all(struct heap *h);

/* A free that counted down to 0 was cut off before it could wake its slab. */
void heap_wake_missed(struct heap *h);

/* After places of a slab came back: if it rests, it counts on; if it sleeps, it may wake. */
void heap_freed_resting(struct slab *s);

/* A slab of any heap that this thread runs holds no block any more. */
void heap_emptied(struct slab *s);

/* Off its bin's list: one whose every place the owner has, or whose memory another thread has given back. */
void heap_unlist(struct slab *s);

/* The slab is not allocated from any more. */
void heap_retire_current(struct heap *h, bool tracked, unsigned class);

/* Fills the thread's direct table from a heap that has just become its own; of one class, what a fork took out. */
void heap_publish(struct heap *h);
void heap_publish_class(struct heap *h, unsigned class);

/* --- remote.c: what other threads give back --- */

void heap_give_remotely(struct slab *s, void *p);

/* What may wait on a heap whose thread sleeps: what is beyond it for a period goes back then; beyond the limit, whoever
 * frees a slab's last block gives its memory back. */
#define WAITING_MAX   (1 * MIB)
#define WAITING_LIMIT (32 * MIB)
bool heap_waits_for_long(void);
bool heap_any_waits(void); /* more than WAITING_MAX */

/* Gives back what waits, on all heaps. True: there was something. */
bool heap_claim_waiting(void);

/* Collects what other threads gave back. True: there was something. */
bool heap_drain(struct heap *h);

/* --- parking.c: threads that come and go --- */

#define HEAPS_MAX ((size_t)65536)

/* `tracks`: there will be tracked blocks. */
bool heap_start(bool tracks);

/* The calling thread's heap; adopts a parked one or makes one. NULL: none can be made. */
struct heap *heap_mine(void);

/* Gives back slabs of the heap that hold no block. */
void heap_collect(struct heap *h);

/* By the owner, between enter and leave, with nothing of the heap in hand: gives what others ask for (asking.c). */
void heap_answer(struct heap *h);
ALWAYS_INLINE bool heap_is_asked(const struct heap *h) {
    return unlikely(atomic_load_explicit(&((struct heap *)(uintptr_t)h)->asked, memory_order_relaxed) != ASKED_NOT);
}

/* A heap for one call of a thread that must not own one any more. */
struct heap *heap_for_a_call(void);

/* For the next thread: with the smallest of its empty slabs, so that the next short thread finds its memory made, for
 * 50 to 100 ms. */
void heap_park(struct heap *h);

/* Collects what was given back to parked heaps. */
void heap_drain_parked(void);

/* Gives back what parked heaps retain. */
void heap_collect_parked(void);

/* In a child of fork, on the thread that forked: the heaps of its parent's other threads are nobody's, and serve the
 * next threads. But those that were changing at that moment. Other threads may run already, which a handler of fork's
 * that came first has started; their heaps are the child's own. */
void heap_forked(void);

/* Gives back what has been retained for long enough, if it is time to. */
void heap_give_back_retained(void);
ALWAYS_INLINE void heap_tick(void) {
    if (slices_due()) heap_give_back_retained();
}

/* Whose process the calling thread is of, as heaps and claims note it. */
uint32_t heap_process(void);

size_t heap_count(void);
struct heap *heap_at(size_t i);

/* --- slab.c --- */

#define SLAB_STEP_MAX (16 * KIB) /* by how much a slab grows at most, but by a place at least */

/* `careful`: every free of a place takes the slow path. `check`: lists are looked at as a whole before their places are
 * handed out again. */
void slabs_start(bool careful, bool check);
/* `another`: the heap has a full one of the class. */
struct slab *slab_make(struct heap *h, unsigned class, bool tracked, bool another);
void slab_give_back(struct slab *s);
void *slab_pop(struct slab *s);                         /* NULL: `free` is empty */
bool slab_refill(struct slab *s);                       /* puts places on `free`; false: none, or refused */
uint32_t slab_free_length(const struct slab *s);        /* of `free` */
ALWAYS_INLINE size_t slab_grown(const struct slab *s) { /* bytes of the places that exist so far */
    return (size_t)slab_capacity(s) * s->size;
}

/* Looks at the whole of local_free, which is not empty, cuts off what is not a list of free places, and tells. How many
 * places it holds. On the way it marks what is drawn, where it looks at all: the place that `left` others come before
 * (SLAB_NO_MARKS: none), and so on. */
#define SLAB_NO_MARKS UINT64_MAX
uint32_t slab_check(struct slab *s, uint64_t left);

/* Notes where local_free begins, if that is a waypoint (see slab.c). How many places are to be freed until the next
 * one; UINT32_MAX: none is wanted. */
uint32_t slab_note_waypoint(struct slab *s);

/* Whether every place is on one of its lists; else its counts are set right. */
bool slab_holds_nothing(struct slab *s);

/* The same for a slab that another thread claims: is every place on local_free or on the list of those that wait? */
bool slab_is_all_free(const struct slab *s, struct link *remote);

ALWAYS_INLINE bool slab_in_same_span(const void *a, const void *b) {
    return (((uintptr_t)a ^ (uintptr_t)b) >> SLAB_SPAN_SHIFT) == 0;
}

/* Called when a list is not what frees make: something wrote to a freed block (or to one that a list leads to, where
 * the first link is wrong), freed a pointer into a block, or the same block twice. Set by the room that has words for
 * it. */
enum slab_misuse { SLAB_OVERWRITTEN, SLAB_INTERIOR, SLAB_FREED_TWICE };
extern void (*slab_misused)(enum slab_misuse what, const void *block);

#endif
