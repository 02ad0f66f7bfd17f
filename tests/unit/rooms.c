/* The rooms above the arena, as little of them as it needs; see rooms.h. */
#include "tests/unit/rooms.h"
#include "shim/arena/fast.h"
#include "shim/arena/heap.h"
#include "shim/base/charge.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/start.h"

#include <stdatomic.h>
#include <stdlib.h>

_Atomic size_t rooms_charged;
_Atomic size_t rooms_max = SIZE_MAX;
_Atomic unsigned rooms_corrupted;

bool (*charge_take)(size_t bytes);
void (*charge_give)(size_t bytes);

static bool take(size_t bytes) {
    size_t used = atomic_load(&rooms_charged);
    do {
        if (used + bytes > atomic_load(&rooms_max)) {
            tls.refused = 1;
            return false;
        }
    } while (!atomic_compare_exchange_weak(&rooms_charged, &used, used + bytes));
    return true;
}

static void give(size_t bytes) {
    atomic_fetch_sub(&rooms_charged, bytes);
}

static void misused(enum slab_misuse what, const void *block) {
    (void)what;
    (void)block;
    rooms_corrupted++;
}

void rooms_start_sampling(const struct sample_wishes *sample) {
    charge_take = take;
    charge_give = give;
    slab_misused = misused;
    start_read();
    lock_start();
    clock_start();
    if (!arena_start(&(struct arena_wishes){.check = true, .sample = *sample})) abort();
}

void rooms_start(void) {
    rooms_start_sampling(&(struct sample_wishes){0});
}

void *rooms_take(size_t n) {
    void *p = arena_pop(n);
    if (p) return p;
    bool outermost = arena_enter();
    tls.refused = 0;
    p = arena_allocate(n, 16, false, NULL);
    arena_leave(outermost);
    return p;
}

void rooms_give(void *p) {
    struct slab *s;
    enum arena_pushed pushed = arena_push(p, &s);
    if (pushed == ARENA_COUNTED_DOWN) arena_counted_down(s);
    if (pushed != ARENA_DECLINED) return;
    struct place place = arena_find(p);
    if (!place.exact || !place.exists) abort();
    bool outermost = arena_enter();
    arena_release(&place);
    arena_leave(outermost);
}
