/* Size classes: every size goes to the smallest class that holds it, a place is found from any address in it, and
 * little is wasted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "shim/arena/heap.h"
#include "tests/unit/rooms.h"

static void every_size_has_the_smallest_class_that_holds_it(void **state) {
    (void)state;
    for (size_t n = 1; n <= CLASS_MAX; n++) {
        unsigned c = class_of(n);
        if (c >= CLASSES || class_size(c) < n || (c > 0 && class_size(c - 1) >= n))
            fail_msg("%zu bytes are of class %u, of %zu bytes", n, c, class_size(c));
    }
    assert_int_equal(class_of(0), 0);
    assert_int_equal(class_size(CLASSES - 1), CLASS_MAX);
}

static void every_class_is_aligned_and_larger_than_the_one_before(void **state) {
    (void)state;
    for (unsigned c = 0; c < CLASSES; c++) {
        if (class_size(c) % 16 != 0 || (c > 0 && class_size(c) <= class_size(c - 1)))
            fail_msg("class %u has %zu bytes", c, class_size(c));
        assert_int_equal(class_of(class_size(c)), c);
    }
}

/* design.md: at most 11 % above 128 bytes. */
static void little_is_wasted_above_128_bytes(void **state) {
    double worst = 0;
    size_t at = 0;
    (void)state;
    for (size_t n = 129; n <= CLASS_MAX; n++) {
        size_t size = class_size(class_of(n));
        double waste = (double)(size - n) / (double)size;
        if (waste > worst) worst = waste, at = n;
    }
    print_message("# at worst %.2f %% of a place are unused, by %zu bytes in %zu\n", worst * 100, at,
                  class_size(class_of(at)));
    if (worst > 0.112) fail_msg("%.2f %% are wasted by %zu bytes", worst * 100, at);
}

static void a_place_is_found_from_each_of_its_bytes(void **state) {
    struct heap *h = heap_mine();
    (void)state;
    assert_non_null(h);
    for (unsigned c = 0; c < CLASSES; c++) {
        bool outermost = arena_enter();
        struct slab *s = slab_make(h, c, false, false);
        arena_leave(outermost);
        assert_non_null(s);
        assert_int_equal(s->size, class_size(c));
        assert_true((size_t)s->reserved * s->size <= (size_t)s->slices << SLICE_SHIFT);
        assert_true(((size_t)s->reserved + 1) * s->size > (size_t)s->slices << SLICE_SHIFT);
        assert_int_equal((uintptr_t)slab_start(s) % ((size_t)s->slices << SLICE_SHIFT), 0);
        for (size_t offset = 0; offset < (size_t)s->slices << SLICE_SHIFT; offset++) {
            if (slab_place(s, slab_start(s) + offset) == offset / s->size) continue;
            fail_msg("offset %zu of class %u (%u bytes) is place %u", offset, c, s->size,
                     slab_place(s, slab_start(s) + offset));
        }
    }
}

static void a_block_of_every_size_is_aligned_and_found(void **state) {
    (void)state;
    for (size_t n = 1; n <= CLASS_MAX + 5000; n += n < 2048 ? 1 : 97) {
        char *p = rooms_take(n);
        if (!p || (uintptr_t)p % 16 != 0) fail_msg("%zu bytes are at %p", n, (void *)p);
        struct place first = arena_find(p), last = arena_find(p + n - 1);
        if (first.start != p || last.start != p || !first.exact || !first.exists || first.size < n)
            fail_msg("%zu bytes at %p are found at %p and %p, %zu bytes", n, (void *)p, (void *)first.start,
                     (void *)last.start, first.size);
        rooms_give(p);
    }
}

static void aligned_blocks_are_aligned_for_every_power_of_two(void **state) {
    (void)state;
    for (size_t alignment = 16; alignment <= 4 * MIB; alignment *= 2) {
        for (size_t n = 1; n <= 3 * MIB; n = n * 3 + 7) {
            bool outermost = arena_enter();
            char *p = arena_allocate(n, alignment, false, NULL);
            arena_leave(outermost);
            if (!p || (uintptr_t)p % alignment != 0)
                fail_msg("%zu bytes aligned to %zu are at %p", n, alignment, (void *)p);
            if (!arena_find(p).exact) fail_msg("%p is no start of a block", (void *)p);
            rooms_give(p);
        }
    }
}

static void no_word_outside_of_the_arena_is_ours(void **state) {
    static char data[64];
    const uintptr_t words[] = {0,
                               1,
                               4096,
                               arena.base - 1,
                               arena.base + (arena.slices << SLICE_SHIFT),
                               (uintptr_t)data,
                               (uintptr_t)&words,
                               UINTPTR_MAX,
                               UINTPTR_MAX - 15,
                               (uintptr_t)1 << 47,
                               (uintptr_t)1 << 63};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        struct place place = arena_find((const void *)words[i]);
        if (place.kind != PLACE_FOREIGN) fail_msg("%#lx is of kind %d", (unsigned long)words[i], (int)place.kind);
    }
    assert_int_equal(arena_find((const void *)(arena.base + (arena.slices << SLICE_SHIFT) - 1)).kind, PLACE_NOTHING);
}

/* What is charged is what was taken, whatever order it is given back in. */
static void all_charged_bytes_come_back(void **state) {
    static void *blocks[4000];
    (void)state;
    bool outermost = arena_enter();
    (void)arena_reclaim();
    arena_leave(outermost);
    size_t before = rooms_charged;
    for (size_t i = 0; i < 4000; i++) blocks[i] = rooms_take(i * 37 % 90000 + 1);
    assert_true(rooms_charged > before + 100 * MIB);
    for (size_t i = 0; i < 4000; i++) rooms_give(blocks[i * 1327 % 4000]);
    outermost = arena_enter();
    (void)arena_reclaim();
    arena_leave(outermost);
    size_t tables = 2 * MIB; /* descriptors and bitmaps never shrink */
    if (rooms_charged > before + tables) fail_msg("%zu bytes were charged, then %zu", before, (size_t)rooms_charged);
    assert_int_equal(rooms_corrupted, 0);
}

static void at_the_ceiling_nothing_is_charged_twice(void **state) {
    static void *blocks[20000];
    size_t n = 0;
    (void)state;
    rooms_max = rooms_charged + 8 * MIB;
    while (n < 20000 && (blocks[n] = rooms_take(n * 101 % 20000 + 1))) n++;
    assert_true(n > 100 && n < 20000);
    assert_true(rooms_charged <= rooms_max);
    assert_int_equal(tls.refused, 1);
    while (n > 0) rooms_give(blocks[--n]);
    rooms_max = SIZE_MAX;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_has_the_smallest_class_that_holds_it),
        cmocka_unit_test(every_class_is_aligned_and_larger_than_the_one_before),
        cmocka_unit_test(little_is_wasted_above_128_bytes),
        cmocka_unit_test(a_place_is_found_from_each_of_its_bytes),
        cmocka_unit_test(a_block_of_every_size_is_aligned_and_found),
        cmocka_unit_test(aligned_blocks_are_aligned_for_every_power_of_two),
        cmocka_unit_test(no_word_outside_of_the_arena_is_ours),
        cmocka_unit_test(all_charged_bytes_come_back),
        cmocka_unit_test(at_the_ceiling_nothing_is_charged_twice),
    };
    rooms_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
