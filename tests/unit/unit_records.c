/* Access records: how they are thinned, and that lists of one block stay its own while threads add, move and drop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "shim/base/options.h"
#include "shim/box/records.h"
#include "tests/unit/rooms.h"

#define BLOCKS 20000u

static struct side sides[BLOCKS];

static struct place place_of(uint32_t i) {
    return (struct place){.start = (char *)(uintptr_t)(0x100000 + (uint64_t)i * 64), .side = &sides[i]};
}
static uint32_t index_of(const void *block) {
    return (uint32_t)(((uintptr_t)block - 0x100000) / 64);
}

static void make(uint32_t i) {
    atomic_store(&sides[i].state, SIDE_LIVE);
}
static void end(uint32_t i) {
    if (atomic_exchange(&sides[i].state, SIDE_FREED) & SIDE_RECORDED) records_drop(place_of(i).start, true);
}
static void add(uint32_t i, uint32_t thread) {
    struct place place = place_of(i);
    struct record r = {.kind = RECORD_WRITE, .detail = i, .stack = i, .thread = thread, .time = (uint64_t)i << 20};
    assert_true(records_add(&place, &r));
}

static struct {
    uint32_t kept[BLOCKS];
    uint64_t newest[BLOCKS], last[BLOCKS];
    uint32_t all;
} seen;

static void see(void *context, const void *block, uint64_t number, const struct record *r) {
    uint32_t i = index_of(block);
    (void)context;
    assert_true(i < BLOCKS && r->stack == i && r->detail == i && r->kind == RECORD_WRITE);
    if (seen.kept[i]++ == 0)
        seen.newest[i] = number;
    else
        assert_true(number < seen.last[i]); /* the newest comes first */
    seen.last[i] = number;
    seen.all++;
}
static void look(void) {
    memset(&seen, 0, sizeof seen);
    records_each(see, NULL);
}
static void end_all(void) {
    for (uint32_t i = 0; i < BLOCKS; i++) end(i);
    look();
    assert_int_equal(seen.all, 0);
}

static void the_newest_is_kept_and_the_rest_is_counted(void **state) {
    (void)state;
    make(7);
    for (uint32_t n = 1; n <= 100000; n++) {
        add(7, n);
        if (n % 997) continue;
        look();
        assert_int_equal(seen.newest[7], n);
        assert_int_equal(seen.last[7], 1);
        /* 2^k more records for each beyond the target, give or take. */
        assert_true(seen.kept[7] > options.target_records && seen.kept[7] < options.target_records + 26);
    }
    end_all();
}

/* The fifth of four is pushed for certain, the sixth and each later one by halves of what was left. */
static void records_are_thinned_as_netty_thins_them(void **state) {
    uint32_t pushed[4] = {0};
    (void)state;
    for (uint32_t i = 0; i < BLOCKS; i++) {
        make(i);
        for (uint32_t n = 0; n < 6; n++) add(i, n);
    }
    look();
    for (uint32_t i = 0; i < BLOCKS; i++) {
        assert_int_equal(seen.newest[i], 6);
        assert_true(seen.kept[i] == 5 || seen.kept[i] == 6);
        pushed[seen.kept[i] - 4]++;
    }
    /* Half of 20,000, and four and a half deviations of 71. */
    assert_in_range(pushed[2], BLOCKS / 2 - 320, BLOCKS / 2 + 320);
    end_all();
}

static void what_an_earlier_block_has_left_is_nobodys(void **state) {
    (void)state;
    make(3);
    add(3, 1);
    atomic_store(&sides[3].state, SIDE_FREED); /* and nobody drops its list */
    struct place place = place_of(3);
    struct record late = {.kind = RECORD_WRITE, .detail = 3, .stack = 3};
    assert_true(records_add(&place, &late)); /* of a block that is gone: it comes to nothing */
    make(3);
    add(3, 2);
    look();
    assert_int_equal(seen.kept[3], 1);
    assert_int_equal(seen.newest[3], 1);
    end_all();
}

/* --- threads --- */

#define SHARED 64u
static pthread_barrier_t barrier;

/* Each ends and makes blocks of its own part; all add to all. Moves are tried in unit_records' own part of the table.
 */
static void *storm(void *argument) {
    uint32_t me = (uint32_t)(uintptr_t)argument, random = me + 1;
    (void)pthread_barrier_wait(&barrier);
    for (uint32_t n = 0; n < 200000; n++) {
        random = random * 1103515245 + 12345;
        uint32_t i = random >> 16 & (SHARED - 1);
        if (n % 8 == 0 && i % 4 == me) {
            end(i);
            make(i);
        } else {
            struct place place = place_of(i);
            struct record r = {.kind = RECORD_WRITE, .detail = i, .stack = i, .thread = me};
            if (!records_add(&place, &r)) return "no room";
        }
    }
    return NULL;
}

static void threads_that_add_and_drop_leave_each_block_its_own(void **state) {
    pthread_t threads[4];
    void *result;
    (void)state;
    (void)pthread_barrier_init(&barrier, NULL, 4);
    for (uint32_t i = 0; i < SHARED; i++) make(i);
    for (uintptr_t i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, storm, (void *)i), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    look();
    for (uint32_t i = 0; i < SHARED; i++) assert_true(seen.newest[i] >= seen.kept[i]);
    end_all();
}

static void a_list_moves_as_a_whole(void **state) {
    (void)state;
    make(1);
    for (uint32_t n = 0; n < 3; n++) {
        struct place place = place_of(1);
        struct record r = {.kind = RECORD_WRITE, .detail = 2, .stack = 2, .thread = n};
        assert_true(records_add(&place, &r));
    }
    make(2);
    struct place to = place_of(2);
    records_move(place_of(1).start, &to);
    look();
    assert_int_equal(seen.kept[1], 0);
    assert_int_equal(seen.kept[2], 3);
    assert_true((atomic_load(&sides[2].state) & SIDE_RECORDED) != 0);
    add(2, 9);
    look();
    assert_int_equal(seen.newest[2], 4);
    end_all();
}

static void hints_are_stored_once(void **state) {
    char longest[HINT_MAX + 50];
    size_t length;
    (void)state;
    uint32_t a = hint_id("parsed"), b = hint_id("parsed, too");
    assert_true(a != 0 && b != 0 && a != b);
    for (int i = 0; i < 1000; i++) assert_int_equal(hint_id("parsed"), a);
    assert_int_equal(hint_id(NULL), 0);
    assert_int_equal(hint_id(""), 0);
    memset(longest, 'x', sizeof longest);
    uint32_t c = hint_id(longest); /* without an end */
    size_t at = hint_at(c, &length);
    assert_int_equal(length, HINT_MAX);
    assert_memory_equal(hints_all(&length) + at, longest, HINT_MAX);
    at = hint_at(a, &length);
    assert_memory_equal(hints_all(&length) + at, "parsed", 7);
    (void)hint_at(UINT32_MAX - 1, &length);
    assert_int_equal(length, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_is_kept_and_the_rest_is_counted),
        cmocka_unit_test(records_are_thinned_as_netty_thins_them),
        cmocka_unit_test(what_an_earlier_block_has_left_is_nobodys),
        cmocka_unit_test(threads_that_add_and_drop_leave_each_block_its_own),
        cmocka_unit_test(a_list_moves_as_a_whole),
        cmocka_unit_test(hints_are_stored_once),
    };
    rooms_start();
    if (!records_set(true)) return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
