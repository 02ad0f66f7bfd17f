/* The slice allocator against a plain list of what is taken: every span is free, aligned, and the first that fits; none
 * is refused while one is there. And what threads keep of their runs: others get it at the ceiling. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shim/arena/heap.h"
#include "shim/arena/kept.h"
#include "shim/arena/slices.h"
#include "tests/unit/rooms.h"

#define SPAN  100000 /* slices that the test looks at: more than one stretch of stretches */
#define SPANS 1500

static bool taken[SPAN];
static struct span {
    struct slab *at;
    size_t count;
} spans[SPANS];

static uint32_t seed = 1;
static uint32_t next(void) {
    seed = seed * 1103515245 + 12345;
    return seed >> 8;
}

static size_t random_count(void) {
    switch (next() % 16) {
    case 0:
        return 1 + next() % 600;
    case 1:
    case 2:
    case 3:
        return 1 + next() % 40;
    default:
        return 1 + next() % 10;
    }
}

/* The first place in [0, writable) where `count` slices are free, at a multiple of `align`; SPAN: none. */
static size_t first_fit(size_t first, size_t writable, size_t count, size_t align) {
    for (size_t at = 0; at + count <= writable; at++) {
        size_t n = 0;
        if (((arena.base >> SLICE_SHIFT) + first + at) % align != 0) continue;
        while (n < count && !taken[at + n]) n++;
        if (n == count) return at;
    }
    return SPAN;
}

static void drop(struct span *s, size_t first) {
    memset(&taken[slab_index(s->at) - first], 0, s->count);
    slices_give(s->at, s->count);
    s->at = NULL;
}

static void a_span_is_the_first_that_fits(void **state) {
    size_t first, end;
    (void)state;
    slices_bounds(ZONE_HIGH, &first, &end);
    for (int i = 0; i < 60000; i++) {
        struct span *s = &spans[next() % (i % 20000 < 10000 ? SPANS : SPANS / 8)];
        if (s->at) drop(s, first);
        if (next() % 3 == 0) continue;
        size_t align = next() % 8 == 0 ? 8 : 1;
        s->count = 2 + random_count();
        slices_bounds(ZONE_HIGH, &first, &end);
        size_t expected = i % 16 == 0 ? first_fit(first, end - first, s->count, align) : SPAN;
        s->at = slices_take(ZONE_HIGH, s->count, align);
        assert_non_null(s->at);
        size_t at = slab_index(s->at) - first;
        assert_true(at + s->count <= SPAN);
        for (size_t k = 0; k < s->count; k++) assert_false(taken[at + k]);
        memset(&taken[at], 1, s->count);
        if (expected != SPAN) assert_int_equal(at, expected);
    }
    for (size_t i = 0; i < SPANS; i++)
        if (spans[i].at) drop(&spans[i], first);
}

static void one_slice_is_had_while_one_is_free(void **state) {
    static struct slab *one[3000];
    size_t first, end, now;
    (void)state;
    for (size_t i = 0; i < 3000; i++) assert_non_null(one[i] = slices_take(ZONE_LOW, 1, 1));
    slices_bounds(ZONE_LOW, &first, &end);
    for (int round = 0; round < 20; round++) {
        for (size_t i = (size_t)round; i < 3000; i += 7) slices_give(one[i], 1);
        for (size_t i = (size_t)round; i < 3000; i += 7) assert_non_null(one[i] = slices_take(ZONE_LOW, 1, 1));
    }
    slices_bounds(ZONE_LOW, &first, &now);
    assert_int_equal(now, end);
    for (size_t i = 0; i < 3000; i++) slices_give(one[i], 1);
}

/* --- what threads keep --- */

static pthread_barrier_t barrier;

static void *keeper(void *unused) {
    (void)unused;
    rooms_give(rooms_take(10)); /* it has a heap */
    for (size_t n = 100000; n < 900000; n += 200000) rooms_give(rooms_take(n));
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    void *p = rooms_take(100000); /* it can have one again */
    assert_non_null(p);
    rooms_give(p);
    arena_thread_ended(true);
    return NULL;
}

static void what_a_sleeper_keeps_can_be_had_at_the_ceiling(void **state) {
    pthread_t thread;
    (void)state;
    if (!arena.runs_near) skip();
    pthread_barrier_init(&barrier, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, keeper, NULL), 0);
    pthread_barrier_wait(&barrier);
    assert_true(kept_any());
    bool outermost = arena_enter();
    assert_true(kept_seize(true));
    arena_leave(outermost);
    assert_false(kept_any());
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    assert_false(kept_any());
}

int main(void) {
    rooms_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_is_the_first_that_fits),
        cmocka_unit_test(one_slice_is_had_while_one_is_free),
        cmocka_unit_test(what_a_sleeper_keeps_can_be_had_at_the_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
