/* See reclaim.h. */
#include "shim/ceiling/reclaim.h"
#include "shim/arena/arena.h"
#include "shim/base/options.h"
#include "shim/base/sys.h"
#include "shim/ceiling/ceiling.h"

static bool try_again(bool (*attempt)(void *), void *argument) {
    tls.refused = 0;
    return attempt(argument);
}

/* Signal handlers may come in, and cancellations; the thread's kept memory is others' to have. */
static void pause_outside(unsigned ms) {
    arena_leave(true);
    sys_pause((long)ms * 1000000);
    bool outermost = arena_enter();
    ASSERT(outermost);
    (void)outermost;
}

/* What may come is counted before what has come is collected: whoever answers in between is seen by one of them. */
static bool wait_for_others(bool (*attempt)(void *), void *argument) {
    size_t may_come = arena_ask();
    for (unsigned ms = 1;; ms *= 2) {
        (void)arena_reclaim();
        if (try_again(attempt, argument)) return true;
        if (!tls.refused || may_come < ceiling_missing()) return false;
        if (ms > RECLAIM_PAUSE_MAX) break;
        pause_outside(ms);
        may_come = arena_unanswered();
    }
    arena_asked_in_vain();
    return false;
}

bool (*ceiling_collect)(void);

static bool collect(bool (*attempt)(void *), void *argument) {
    arena_leave(true);
    bool any = ceiling_collect(), outermost = arena_enter();
    ASSERT(outermost);
    (void)outermost;
    if (any) (void)arena_reclaim();
    return any && try_again(attempt, argument);
}

bool reclaim_and_retry(bool (*attempt)(void *), void *argument) {
    if (arena_reclaim() && try_again(attempt, argument)) return true;
    if (tls.refused && options.on_limit != ON_LIMIT_FAIL && wait_for_others(attempt, argument)) return true;
    return tls.refused && ceiling_collect && collect(attempt, argument);
}

void reclaim_what_is_retained(void) {
    bool outermost = arena_enter();
    if (outermost) {
        (void)arena_reclaim();
        (void)arena_ask();
    }
    arena_leave(outermost);
}
