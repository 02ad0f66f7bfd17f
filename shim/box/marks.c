/* See marks.h. */
#include "shim/box/marks.h"
#include "shim/arena/layout.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/text.h"
#include "shim/box/contents.h"
#include "shim/box/state.h"

#include <stdatomic.h>

static struct slot {
    _Atomic uint32_t word;
    uint32_t length;
    _Atomic uint64_t number;
    uint64_t time;
    char name[DUMP_MARK_NAME_MOST];
} slots[DUMP_MARKS_MOST];
static _Atomic uint64_t latest; /* number */

/* A time that no block has yet and that all have from now on, whatever tick they are made in; a child of fork takes
 * what it made so far for made at the fork. */
static uint64_t begin(void) {
    uint64_t least = atomic_load_explicit(&clock_least, memory_order_relaxed), time;
    do {
        time = max_size(max_size(clock_coarse(), least), state_fork_time());
        time = ((time >> SIDE_TIME_SHIFT) + 1) << SIDE_TIME_SHIFT;
    } while (
        !atomic_compare_exchange_weak_explicit(&clock_least, &least, time, memory_order_relaxed, memory_order_relaxed));
    return time;
}

bool mark_set(const char *name, size_t n) {
    uint64_t number = atomic_fetch_add_explicit(&latest, 1, memory_order_relaxed) + 1;
    struct slot *s = &slots[number % DUMP_MARKS_MOST];
    if (!lock_try_word(&s->word)) return false;
    atomic_store_explicit(&s->number, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    s->time = begin();
    s->length = (uint32_t)min_size(n, sizeof s->name);
    mem_copy(s->name, name, s->length);
    atomic_store_explicit(&s->number, number, memory_order_release);
    lock_give_word(&s->word);
    return true;
}

/* False: it is another one by now, or none yet. */
static bool take(struct slot *to, uint64_t number) {
    struct slot *s = &slots[number % DUMP_MARKS_MOST];
    if (atomic_load_explicit(&s->number, memory_order_acquire) != number) return false;
    to->time = s->time;
    to->length = (uint32_t)min_size(s->length, sizeof to->name);
    mem_copy(to->name, s->name, to->length);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&s->number, memory_order_relaxed) == number;
}

bool mark_latest(struct mark *to) {
    struct slot s;
    uint64_t number = atomic_load_explicit(&latest, memory_order_acquire);
    while (number > 0 && !take(&s, number)) number--; /* one is being set just now */
    if (number == 0) return false;
    to->time = s.time;
    to->length = s.length;
    mem_copy(to->name, s.name, s.length);
    return true;
}

void contents_write_marks(struct contents *c) {
    uint64_t last = atomic_load_explicit(&latest, memory_order_relaxed);
    if (last == 0) return;
    writer_begin(&c->w, DUMP_MARKS, sizeof(struct dump_mark));
    for (uint64_t number = last > DUMP_MARKS_MOST ? last - DUMP_MARKS_MOST + 1 : 1; number <= last; number++) {
        struct slot s;
        if (!take(&s, number)) continue;
        struct dump_mark d = {s.time, contents_string(c, s.name, s.length), (uint32_t)number, 0};
        writer_add(&c->w, &d, sizeof d);
    }
    writer_end(&c->w);
}
