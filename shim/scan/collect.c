/* See collect.h. A refused request makes a copy of the process that searches, and waits for it: what that finds lost is
 * freed if an earlier search did, a second before or more. So the first refusal of all only searches. A block is looked
 * at once more before: it must still be the same, by its sum. What the program's own
 * list suppresses is freed too, and not named. */
#include "shim/scan/collect.h"
#include "shim/arena/arena.h"
#include "shim/base/clock.h"
#include "shim/base/lock.h"
#include "shim/base/options.h"
#include "shim/base/signals.h"
#include "shim/base/stack.h"
#include "shim/base/sys.h"
#include "shim/base/text.h"
#include "shim/box/copy.h"
#include "shim/box/dump.h"
#include "shim/box/leaks.h"
#include "shim/box/modules.h"
#include "shim/box/state.h"
#include "shim/box/verdicts.h"
#include "shim/ceiling/ceiling.h"
#include "shim/scan/looks.h"

#include <fcntl.h>
#include <stdatomic.h>

static void (*release_block)(void *block, uint32_t family);
static _Atomic uint32_t turn;   /* as lock_try_word has it */
static _Atomic uint64_t latest; /* when one began, by the clock */

struct searching {
    uint32_t pid;
    int answer; /* descriptor whose end tells that it is over */
};

static void search_in_copy(void *argument) {
    struct searching *s = argument;
    (void)sys3(SYS_close_range, 0, 1, 0);
    dump_look(s->pid);
    (void)sys3(SYS_write, s->answer, (long)"", 1);
    sys_exit_group(0);
}

/* False: there can be no copy, or it did not come to its end. */
static bool search(void) {
    int ends[2];
    char done;
    uint64_t before;
    if (copies_are_over() || sys2(SYS_pipe2, (long)ends, O_CLOEXEC) != 0) return false;
    struct searching s = {sys_getpid(), ends[1]};
    bool quiet = signals_hold(&before), holds = dump_verdicts->hold(NULL);
    long id = copy_make();
    if (id == 0) stack_call(search_in_copy, &s);
    if (holds) dump_verdicts->let_go();
    if (quiet) signals_set(before);
    (void)sys1(SYS_close, ends[1]);
    long got;
    do got = sys_failed(id) ? 0 : sys3(SYS_read, ends[0], (long)&done, 1);
    while (got == -4 /* EINTR */);
    (void)sys1(SYS_close, ends[0]);
    return got == 1;
}

/* What was freed, by site; the last one is of all others. */
#define SITES_MAX 256
static struct leak sites[SITES_MAX];
static uint32_t sites_count;
static uint64_t freed_blocks, freed_bytes;

static void add(uint32_t stack, uint64_t size) {
    uint32_t i = 0;
    while (i < sites_count && sites[i].stack != stack) i++;
    if (i == SITES_MAX) i--;
    if (i == sites_count) sites[sites_count++] = (struct leak){0, 0, stack};
    sites[i].blocks++;
    sites[i].bytes += size;
    freed_blocks++;
    freed_bytes += size;
}

static void free_lost(void *context, char *start, uint32_t sum) {
    struct place place = arena_find(start);
    (void)context;
    if (!place.tracked || !place.exact) return;
    uint32_t state = atomic_load_explicit(&place.side->state, memory_order_acquire), stack = place.side->stack;
    uint64_t size = place.side->size;
    if (!SIDE_IS_LIVE(state) || state_is_inherited(place.side)) return;
    if (looks_sum(start, min_size(place.size, size)) != sum) return;
    release_block(start, place.side->family);
    add(stack, size);
}

static void tell(void) {
    struct leaks largest = {0};
    struct text t = {0};
    for (uint32_t i = 0; i < sites_count; i++) leaks_add(&largest, sites[i].stack, sites[i].blocks, sites[i].bytes);
    text_add(&t, "weir: COLLECTED: ");
    leaks_add_amount(&t, freed_blocks, freed_bytes);
    text_add(&t, freed_blocks == 1 ? ": nothing led to it for a second or more"
                                   : ": nothing led to them for a second or more");
    message_send(&t);
    for (uint32_t i = 0; i < largest.shown; i++) {
        struct text s = {0};
        text_add(&s, "weir:   ");
        leaks_add_amount(&s, largest.site[i].blocks, largest.site[i].bytes);
        module_describe_stack(&s, "made at", largest.site[i].stack);
        message_send(&s);
    }
}

/* From the way to a refusal, outside of the arena. True: something was freed. */
static bool collect(void) {
    uint64_t now = clock_now(), before = atomic_load_explicit(&latest, memory_order_relaxed);
    if (!dump_verdicts || !state_tracking() || (before && now - before < COLLECT_APART) || !lock_try_word(&turn))
        return false;
    __builtin_unwind_init(); /* what the caller has in registers lies in this frame */
    atomic_store_explicit(&latest, now, memory_order_relaxed);
    freed_blocks = freed_bytes = sites_count = 0;
    if (search()) looks_each_lost(free_lost, NULL);
    bool any = freed_blocks > 0;
    if (any) {
        state_count_collected(freed_blocks, freed_bytes);
        tell();
    }
    lock_give_word(&turn);
    return any;
}

void collect_start(void (*release)(void *block, uint32_t family)) {
    release_block = release;
    if (options.on_limit == ON_LIMIT_COLLECT) ceiling_collect = collect;
}
