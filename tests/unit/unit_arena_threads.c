/* The arena under many threads: blocks handed over, producers and consumers, threads that come and go. Built twice: as
 * it is, and under ThreadSanitizer as unit_arena_races, where any data race fails the test. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/rooms.h"

#ifdef RACES
#    define SCALE 3
#else
#    define SCALE 10
#endif

static _Atomic unsigned wrong_bytes;
static _Atomic unsigned races;

#ifdef RACES
/* ThreadSanitizer calls it for each of its reports. */
void __tsan_on_report(void *report);
void __tsan_on_report(void *report) {
    (void)report;
    races++;
}
#endif

/* A block tells its size and who filled it; its last byte is the sum. */
struct block {
    uint32_t size, tag;
};

static struct block *make(size_t n, uint32_t tag) {
    n = n < sizeof(struct block) + 1 ? sizeof(struct block) + 1 : n;
    struct block *b = rooms_take(n);
    if (!b) return NULL;
    b->size = (uint32_t)n;
    b->tag = tag;
    ((unsigned char *)b)[n - 1] = (unsigned char)(n + tag);
    return b;
}

static void drop(struct block *b) {
    if (((unsigned char *)b)[b->size - 1] != (unsigned char)(b->size + b->tag)) wrong_bytes++;
    rooms_give(b);
}

static uint32_t next(uint32_t *s) {
    *s = *s * 1103515245 + 12345;
    return *s >> 8;
}

static size_t random_size(uint32_t *s) {
    uint32_t r = next(s);
    switch (r % 64) {
    case 0:
        return r % 200000;
    case 1:
    case 2:
        return r % 20000;
    default:
        return r % 700;
    }
}

static void run(unsigned threads, void *(*work)(void *)) {
    pthread_t thread[16];
    for (unsigned i = 0; i < threads; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)(i + 1)), 0);
    for (unsigned i = 0; i < threads; i++) (void)pthread_join(thread[i], NULL);
    assert_int_equal(wrong_bytes, 0);
    assert_int_equal(rooms_corrupted, 0);
    assert_int_equal(races, 0);
}

/* --- blocks handed over through shared places --- */

#define PLACES 64
static _Atomic(struct block *) places[PLACES];

static void *exchange(void *argument) {
    uint32_t s = (uint32_t)(uintptr_t)argument;
    struct block *own[64] = {0};
    for (int i = 0; i < 20000 * SCALE; i++) {
        struct block **b = &own[next(&s) % 64];
        if (*b && next(&s) % 4 == 0) *b = atomic_exchange(&places[next(&s) % PLACES], *b);
        if (*b) {
            drop(*b);
            *b = NULL;
        } else {
            *b = make(random_size(&s), s);
        }
    }
    for (int i = 0; i < 64; i++)
        if (own[i]) drop(own[i]);
    arena_thread_ended(true);
    return NULL;
}

static void empty_places(void) {
    for (int i = 0; i < PLACES; i++) {
        struct block *b = atomic_exchange(&places[i], NULL);
        if (b) drop(b);
    }
}

static void blocks_change_hands(void **state) {
    (void)state;
    run(6, exchange);
    empty_places();
}

/* --- one thread makes, another frees --- */

#define RING 1024
static _Atomic(struct block *) ring[RING];
static _Atomic unsigned producers;

static void *produce(void *argument) {
    uint32_t s = (uint32_t)(uintptr_t)argument;
    for (int i = 0; i < 20000 * SCALE; i++) {
        struct block *b = make(random_size(&s) % 2000, s), *none = NULL;
        while (b && !atomic_compare_exchange_strong(&ring[next(&s) % RING], &none, b)) {
            none = NULL;
            if (next(&s) % 64 == 0) (void)sched_yield();
        }
    }
    producers--;
    arena_thread_ended(true);
    return NULL;
}

static void *consume(void *argument) {
    (void)argument;
    bool last;
    do {
        last = producers == 0;
        for (int i = 0; i < RING; i++) {
            struct block *b = atomic_exchange(&ring[i], NULL);
            if (b) drop(b);
        }
    } while (!last);
    arena_thread_ended(true);
    return NULL;
}

static void *produce_or_consume(void *argument) {
    return (uintptr_t)argument <= 3 ? produce(argument) : consume(argument);
}

static void what_producers_make_consumers_free(void **state) {
    (void)state;
    producers = 3;
    run(5, produce_or_consume);
}

/* --- threads that come and go, and leave blocks for others --- */

static void *short_life(void *argument) {
    uint32_t s = (uint32_t)(uintptr_t)argument;
    for (int i = 0; i < 40; i++) {
        struct block *b = atomic_exchange(&places[next(&s) % PLACES], make(random_size(&s), s));
        if (b) drop(b);
    }
    arena_thread_ended(true);
    /* Past its end a thread may still ask: libc's own destructors do. */
    struct block *late = make(100, s);
    drop(late);
    return NULL;
}

static void *spawn(void *argument) {
    uint32_t s = (uint32_t)(uintptr_t)argument;
    for (int i = 0; i < 100 * SCALE; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, short_life, (void *)(uintptr_t)(next(&s) | 1)) == 0) (void)pthread_join(t, NULL);
    }
    arena_thread_ended(true);
    return NULL;
}

static void threads_come_and_go(void **state) {
    (void)state;
    run(4, spawn);
    empty_places();
}

/* --- slabs that are claimed while their owners fall asleep and wake up --- */

#define WAVE   12000
#define OWNERS 2
static _Atomic(struct block *) wave[OWNERS][WAVE];
static _Atomic unsigned owners;

static void own_waves(unsigned me) {
    uint32_t s = me + 1;
    for (int round = 0; round < 3 * SCALE; round++) {
        size_t n = 100 + next(&s) % 8 * 60;
        for (int i = 0; i < WAVE; i++) { /* what is left of the last wave comes home with this one */
            struct block *b = atomic_exchange(&wave[me][i], make(n, s));
            if (b) drop(b);
        }
        for (int i = 0; i < WAVE; i += 1 + (int)(next(&s) % 500)) {
            struct block *b = atomic_exchange(&wave[me][i], NULL);
            if (b) drop(b);
        }
        for (uint32_t naps = next(&s) % 40; naps > 0; naps--) (void)sched_yield();
    }
    owners--;
}

static void free_waves(uint32_t s) {
    while (owners > 0) {
        unsigned of = next(&s) % OWNERS;
        for (int i = 0; i < WAVE; i++) {
            struct block *b = atomic_exchange(&wave[of][i], NULL);
            if (b) drop(b);
        }
    }
}

static void reclaim_always(void) {
    while (owners > 0) {
        bool outermost = arena_enter();
        (void)arena_reclaim();
        arena_leave(outermost);
        (void)sched_yield();
    }
}

static void *own_or_free_waves(void *argument) {
    unsigned number = (unsigned)(uintptr_t)argument - 1;
    if (number < OWNERS)
        own_waves(number);
    else if (number < OWNERS + 2)
        free_waves(number);
    else
        reclaim_always();
    arena_thread_ended(true);
    return NULL;
}

static void slabs_are_claimed_beside_their_owners(void **state) {
    (void)state;
    owners = OWNERS;
    run(OWNERS + 3, own_or_free_waves);
    for (int of = 0; of < OWNERS; of++)
        for (int i = 0; i < WAVE; i++)
            if (wave[of][i]) drop(wave[of][i]);
    assert_int_equal(wrong_bytes, 0);
}

/* --- at the ceiling, with everybody reclaiming --- */

static void *press(void *argument) {
    uint32_t s = (uint32_t)(uintptr_t)argument;
    struct block *own[64] = {0};
    for (int i = 0; i < 5000 * SCALE; i++) {
        struct block **b = &own[next(&s) % 64];
        if (*b) drop(*b);
        *b = make(random_size(&s) * 8, s);
        if (*b) continue;
        bool outermost = arena_enter();
        (void)arena_reclaim();
        arena_leave(outermost);
    }
    for (int i = 0; i < 64; i++)
        if (own[i]) drop(own[i]);
    arena_thread_ended(true);
    return NULL;
}

static void memory_is_given_back_while_others_allocate(void **state) {
    (void)state;
    rooms_max = rooms_charged + 6 * MIB;
    run(5, press);
    rooms_max = SIZE_MAX;
}

/* --- large blocks that grow --- */

static void *grow(void *argument) {
    uint32_t s = (uint32_t)(uintptr_t)argument;
    for (int i = 0; i < 100 * SCALE; i++) {
        size_t n = 70000 + next(&s) % 100000;
        unsigned char *p = rooms_take(n);
        for (int k = 0; p && k < 6; k++) {
            p[0] = p[n - 1] = (unsigned char)i;
            struct place place = arena_find(p);
            size_t to = n / 2 + next(&s) % n * 2 + 66000;
            bool outermost = arena_enter();
            unsigned char *moved = arena_resize(&place, to);
            arena_leave(outermost);
            if (!moved) break;
            p = moved;
            if (p[0] != (unsigned char)i || (n <= to && p[n - 1] != (unsigned char)i)) wrong_bytes++;
            n = to;
        }
        if (p) rooms_give(p);
    }
    arena_thread_ended(true);
    return NULL;
}

static void large_blocks_grow_side_by_side(void **state) {
    (void)state;
    run(4, grow);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_change_hands),
        cmocka_unit_test(what_producers_make_consumers_free),
        cmocka_unit_test(threads_come_and_go),
        cmocka_unit_test(slabs_are_claimed_beside_their_owners),
        cmocka_unit_test(memory_is_given_back_while_others_allocate),
        cmocka_unit_test(large_blocks_grow_side_by_side),
    };
    rooms_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
