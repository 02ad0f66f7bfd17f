/* The map of the address space against the kernel's: after random calls by two threads, all that was mapped since the
 * test began is in /proc/self/maps as the map has it, page by page, and nothing else is; what is charged is that sum.
 * MAPPINGS=1000000 is the long form. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shim/base/charge.h"
#include "shim/base/mapping.h"
#include "shim/base/region.h"
#include "shim/ceiling/ceiling.h"
#include "shim/ceiling/owners.h"
#include "shim/ceiling/pages.h"
#include "shim/ceiling/mappings.h"
#include "tests/unit/rooms.h"

#define THREADS    2
#define EACH       40
#define BASELINE   4096
#define PAGE_      4096ul
#define STEPS_DONE 500 /* calls of a thread between two comparisons */

static _Atomic unsigned refusals;
void ceiling_refuse(enum ceiling_operation operation, size_t n, const void *frame) {
    (void)operation, (void)n, (void)frame;
    refusals++;
}
size_t ceiling_missing(void) {
    return 0;
}
_Atomic uint32_t ceiling_crossed;
void ceiling_tell_crossings(void) {}
void ceiling_charge_anyway(size_t bytes) {
    rooms_charged += bytes;
}

/* --- the comparison --- */

static struct mapping baseline[BASELINE];
static size_t baseline_count;
static size_t sums[PAGES_PLANES];
static unsigned differences;

static void each_mapping(void (*f)(const struct mapping *m)) {
    struct mapping_reader r;
    struct mapping m;
    assert_true(mapping_open(&r));
    while (mapping_next(&r, &m, NULL, 0)) f(&m);
    mapping_close(&r);
}

static void note_baseline(const struct mapping *m) {
    if (baseline_count < BASELINE) baseline[baseline_count++] = *m;
}

static void look_at(uintptr_t from, uintptr_t end, const struct mapping *m) {
    bool ours = !m->shared && !m->of_file, wanted[] = {ours, ours && m->writable, !ours};
    for (enum pages_plane plane = 0; plane < PAGES_PLANES; plane++) {
        sums[plane] += wanted[plane] ? end - from : 0;
        if (pages_count(plane, from, end - from) == (wanted[plane] ? end - from : 0)) continue;
        differences++;
        fprintf(stderr, "%lx-%lx %s%s%s: plane %d has %zu\n", from, end, m->writable ? "w" : "-", m->shared ? "s" : "p",
                m->of_file ? " file" : "", (int)plane, pages_count(plane, from, end - from));
    }
}

/* What is there since the baseline. */
static void compare_mapping(const struct mapping *m) {
    for (uintptr_t at = m->start, end; at < m->end; at = end) {
        end = m->end;
        bool old = false;
        for (size_t i = 0; i < baseline_count; i++) {
            if (at >= baseline[i].start && at < baseline[i].end) {
                old = true;
                end = baseline[i].end < m->end ? baseline[i].end : m->end;
                break;
            }
            if (baseline[i].start > at && baseline[i].start < end) end = baseline[i].start;
        }
        if (!old) look_at(at, end, m);
    }
}

/* Each charged page is counted by the record that owns it, and by no other. */
#define OWNERS (1 << 20)
static uint64_t owned[OWNERS];
static uint64_t unowned, recorded;

static void add_record(void *context, const struct owner *o) {
    (void)context;
    recorded += o->pages;
    if (o->stack != 77) differences++;
}

static void compare_owners(void) {
    uint64_t charged = 0;
    recorded = unowned = 0;
    for (uintptr_t at = 0; (at = pages_find(PAGES_CHARGED, true, at, PAGES_END)) < PAGES_END; at += PAGE_) {
        uint32_t owner = pages_owner(at);
        assert_true(owner < OWNERS);
        owned[owner]++;
        charged++;
    }
    unowned = owned[0];
    memset(owned, 0, sizeof owned);
    owners_each(add_record, NULL);
    assert_int_equal(recorded + unowned, charged);
}

static void compare(void) {
    memset(sums, 0, sizeof sums);
    each_mapping(compare_mapping);
    compare_owners();
    assert_int_equal(differences, 0);
    for (enum pages_plane plane = 0; plane < PAGES_PLANES; plane++) assert_int_equal(pages_total(plane), sums[plane]);
}

/* Charged by anything but mappings: the map's own tables. */
static size_t charged_for_mappings(size_t before, size_t tables_before) {
    return rooms_charged - before - (region_total - tables_before);
}

static uint32_t a_stack(const void *frame) {
    (void)frame;
    return 77;
}

/* --- random calls --- */

struct area {
    char *at;
    size_t n;
};
static struct thread {
    pthread_t id;
    unsigned seed;
    struct area areas[EACH];
} threads[THREADS];
static pthread_barrier_t barrier;
static int file;
static size_t rounds;
static char *first_break;

static unsigned next_of(struct thread *t) {
    t->seed = t->seed * 1103515245 + 12345;
    return t->seed >> 8;
}
static size_t some_pages(struct thread *t) {
    switch (next_of(t) % 16) {
    case 0:
        return (30000 + next_of(t) % 80000) * PAGE_; /* pieces of the map and more */
    case 1:
        return (256 + next_of(t) % 2000) * PAGE_;
    default:
        return (1 + next_of(t) % 40) * PAGE_;
    }
}
static int some_protection(struct thread *t) {
    static const int some[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
                               PROT_READ | PROT_EXEC};
    return some[next_of(t) % 5];
}

static void *some_map(struct thread *t, void *at, size_t n, int fixed) {
    switch (next_of(t) % 8) {
    case 0:
        return mappings_map(at, n, some_protection(t) & ~PROT_EXEC, MAP_PRIVATE | fixed, file, 0, NULL);
    case 1:
        return mappings_map(at, n, PROT_READ | PROT_WRITE, MAP_SHARED | fixed, file, 0, NULL);
    case 2:
        return mappings_map(at, n, some_protection(t), MAP_SHARED | MAP_ANONYMOUS | fixed, -1, 0, NULL);
    case 3:
        return mappings_map(at, n, some_protection(t), MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0,
                            NULL);
    default:
        return mappings_map(at, n, some_protection(t), MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0, NULL);
    }
}

static void fail_some(struct thread *t, struct area *a) {
    char *p = a->at;
    switch (next_of(t) % 9) {
    case 0:
        assert_ptr_equal(mappings_map(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, NULL), MAP_FAILED);
        break;
    case 1:
        assert_ptr_equal(mappings_map(NULL, PAGE_, PROT_READ, MAP_PRIVATE, 9999, 0, NULL), MAP_FAILED);
        assert_int_equal(errno, EBADF);
        break;
    case 2:
        assert_ptr_equal(mappings_map(NULL, (size_t)1 << 50, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, NULL),
                         MAP_FAILED);
        assert_int_equal(errno, ENOMEM);
        break;
    case 3:
        assert_int_equal(mappings_unmap(p + 1, PAGE_), -1);
        assert_int_equal(errno, EINVAL);
        break;
    case 4:
        assert_ptr_equal(
            mappings_map(p, PAGE_, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0, NULL),
            MAP_FAILED);
        assert_int_equal(errno, EEXIST);
        break;
    case 5: /* a file that is only read cannot become writable, when it is shared */
        assert_ptr_equal(mappings_map(NULL, PAGE_, PROT_WRITE, MAP_SHARED, STDIN_FILENO, 0, NULL), MAP_FAILED);
        break;
    case 6: /* over weir's own */
        assert_ptr_equal(
            mappings_map((void *)arena.base, PAGE_, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0, NULL),
            MAP_FAILED);
        assert_int_equal(mappings_unmap((void *)arena.base, PAGE_), -1);
        break;
    case 7: /* no such key */
        assert_int_equal(mappings_protect(p, PAGE_, PROT_READ | PROT_WRITE, 15, NULL), -1);
        break;
    default:
        assert_ptr_equal(mappings_remap((void *)(PAGE_ * 16), PAGE_, 2 * PAGE_, MREMAP_MAYMOVE, NULL, NULL),
                         MAP_FAILED);
    }
}

static void forget_area(struct area *a) {
    if (mappings_unmap(a->at, a->n) != 0) abort();
    *a = (struct area){0};
}

static void step(struct thread *t) {
    struct area *a = &t->areas[next_of(t) % EACH];
    if (!a->at) {
        size_t n = some_pages(t);
        char *p = some_map(t, NULL, n, 0);
        if (p != MAP_FAILED) *a = (struct area){p, n};
        return;
    }
    size_t pages = a->n / PAGE_, first = next_of(t) % pages, count = 1 + next_of(t) % (pages - first);
    char *part = a->at + first * PAGE_;
    switch (next_of(t) % 12) {
    case 0: /* a hole, in which nothing else may land */
        if (mappings_unmap(part, count * PAGE_) != 0) abort();
        if (mappings_map(part, count * PAGE_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0,
                         NULL) != part) {
            *a = (struct area){0}; /* another thread's has landed there: what is left of the area is left */
        }
        break;
    case 1:
    case 2:
    case 3:
        (void)mappings_protect(part, count * PAGE_, some_protection(t), -1, NULL);
        break;
    case 4:
    case 5:
        (void)some_map(t, part, count * PAGE_, MAP_FIXED);
        break;
    case 6: { /* grows, shrinks, or fails where it is of several mappings */
        size_t n = some_pages(t);
        char *p = mappings_remap(a->at, a->n, n, MREMAP_MAYMOVE, NULL, NULL);
        if (p != MAP_FAILED) *a = (struct area){p, n};
        break;
    }
    case 7: { /* over a part of another one */
        struct area *b = &t->areas[next_of(t) % EACH];
        if (b == a || !b->at || b->n < a->n) break;
        char *p = mappings_remap(a->at, a->n, a->n, MREMAP_MAYMOVE | MREMAP_FIXED, b->at, NULL);
        if (p != MAP_FAILED) *a = (struct area){0};
        break;
    }
    case 8: {
        char *p = mappings_remap(a->at, a->n, a->n, MREMAP_MAYMOVE | 4, NULL, NULL);
        if (p != MAP_FAILED) (void)mappings_unmap(p, a->n);
        break;
    }
    case 9:
        fail_some(t, a);
        break;
    case 10:
        if (t == &threads[0]) (void)mappings_brk(first_break + next_of(t) % 1000000, NULL);
        break;
    default:
        forget_area(a);
    }
}

static void *run(void *context) {
    struct thread *t = context;
    pthread_barrier_wait(&barrier);
    for (size_t round = 0; round < rounds; round++) {
        for (int i = 0; i < STEPS_DONE; i++) step(t);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier); /* compared meanwhile */
    }
    return NULL;
}

static void the_map_is_the_kernels(void **state) {
    (void)state;
    const char *word = getenv("MAPPINGS");
    rounds = (word ? strtoul(word, NULL, 10) : 40000) / STEPS_DONE / THREADS;
    char name[] = "/tmp/weir.mappings.XXXXXX";
    file = mkstemp(name);
    assert_true(file >= 0 && unlink(name) == 0 && ftruncate(file, 4096 * PAGE_) == 0);
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    first_break = mappings_sbrk(0, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i].seed = i + 1;
        assert_int_equal(pthread_create(&threads[i].id, NULL, run, &threads[i]), 0);
    }
    usleep(20000); /* their stacks are mapped */
    each_mapping(note_baseline);
    size_t charged = rooms_charged, tables = region_total;
    pthread_barrier_wait(&barrier);
    for (size_t round = 0; round < rounds; round++) {
        pthread_barrier_wait(&barrier);
        compare();
        assert_int_equal(charged_for_mappings(charged, tables), pages_total(PAGES_CHARGED));
        if (round % 8 == 0 && fork() == 0) { /* a child has what its parent has */
            compare();
            _exit(0);
        }
        pthread_barrier_wait(&barrier);
    }
    for (int status; wait(&status) > 0;) assert_int_equal(status, 0);
    for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i].id, NULL);
    assert_int_equal(mappings_brk(first_break, NULL), 0);
    (void)refusals;
    fprintf(stderr, "%zu charged pages without an owner\n", (size_t)unowned);
}

static void numbers_are_as_computed_by_hand(void **state) {
    (void)state;
    const size_t gib = (size_t)1 << 30, mib = (size_t)1 << 20;
    struct mappings_numbers before = mappings_numbers(), now;
    char *p[4];
    for (int i = 0; i < 4; i++) {
        p[i] = mappings_map(NULL, gib, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, NULL);
        assert_ptr_not_equal(p[i], MAP_FAILED);
        assert_int_equal(mappings_protect(p[i] + 64 * mib, mib, PROT_READ | PROT_WRITE, -1, NULL), 0);
    }
    now = mappings_numbers();
    assert_int_equal(now.charged - before.charged, 4 * mib);
    assert_int_equal(now.reserved - before.reserved, 4 * gib - 4 * mib);
    assert_int_equal(now.count - before.count, 4);
    assert_int_equal(mappings_unmap(p[1] + 64 * mib + mib / 2, gib / 2), 0);
    now = mappings_numbers();
    assert_int_equal(now.charged - before.charged, 4 * mib - mib / 2);
    assert_int_equal(now.reserved - before.reserved, 4 * gib - 4 * mib - (gib / 2 - mib / 2));
    for (int i = 0; i < 4; i++) assert_int_equal(mappings_unmap(p[i], gib), 0);
    now = mappings_numbers();
    assert_int_equal(now.charged, before.charged);
    assert_int_equal(now.reserved, before.reserved);
}

static void terabytes_cost_little(void **state) {
    (void)state;
    const size_t tib = (size_t)1 << 40;
    size_t tables = region_total;
    char *p = mappings_map(NULL, 4 * tib, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0, NULL);
    assert_ptr_not_equal(p, MAP_FAILED);
    assert_int_equal(mappings_protect(p + tib, 4096, PROT_READ | PROT_WRITE, -1, NULL), 0);
    assert_true(region_total - tables < 1 << 20);
    assert_int_equal(mappings_unmap(p, 4 * tib), 0);
}

static void shared_memory_is_mapped(void **state) {
    (void)state;
    int id = shmget(IPC_PRIVATE, 100000, IPC_CREAT | 0600);
    if (id < 0) skip();
    size_t before = pages_total(PAGES_MAPPED), charged = rooms_charged;
    char *p = mappings_attach(id, NULL, 0), *q = mappings_attach(id, NULL, SHM_RDONLY);
    shmctl(id, IPC_RMID, NULL);
    assert_ptr_not_equal(p, (char *)-1);
    assert_int_equal(pages_total(PAGES_MAPPED) - before, 2 * 102400);
    assert_int_equal(mappings_detach(p), 0);
    assert_int_equal(mappings_detach(p), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(mappings_detach(q), 0);
    assert_int_equal(pages_total(PAGES_MAPPED), before);
    assert_true(rooms_charged - charged <= 128 << 10);
}

/* What was mapped over a segment stays, what was cut out of it is not looked for, what was split goes as a whole;
 * another segment that begins in it is another one. */
static uintptr_t segment, segment_end;

static void look_at_segment(const struct mapping *m) {
    uintptr_t from = m->start > segment ? m->start : segment, end = m->end < segment_end ? m->end : segment_end;
    if (from < end) look_at(from, end, m);
}

/* Charged and mapped pages of it, each where the kernel has them. */
static void compare_segment(size_t charged, size_t mapped) {
    each_mapping(look_at_segment);
    assert_int_equal(differences, 0);
    assert_int_equal(pages_count(PAGES_CHARGED, segment, segment_end - segment), charged * PAGE_);
    assert_int_equal(pages_count(PAGES_MAPPED, segment, segment_end - segment), mapped * PAGE_);
}

static void only_the_segment_is_detached(void **state) {
    (void)state;
    const size_t page = PAGE_;
    int id = shmget(IPC_PRIVATE, 64 * page, IPC_CREAT | 0600), other = shmget(IPC_PRIVATE, 4 * page, IPC_CREAT | 0600);
    if (id < 0 || other < 0) skip();
    char *p = mappings_attach(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    assert_ptr_not_equal(p, (char *)-1);
    assert_ptr_equal(
        mappings_map(p, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0, NULL), p);
    assert_int_equal(mappings_protect(p + 20 * page, 4 * page, PROT_READ, -1, NULL), 0);
    assert_int_equal(mappings_unmap(p + 30 * page, 4 * page), 0);
    assert_ptr_equal(mappings_attach(other, p + 40 * page, SHM_REMAP), p + 40 * page);
    shmctl(other, IPC_RMID, NULL);
    segment = (uintptr_t)p;
    segment_end = segment + 64 * page;
    compare_segment(8, 64 - 8 - 4);
    assert_int_equal(mappings_detach(p), 0);
    compare_segment(8, 4);
    assert_int_equal(mappings_detach(p + 40 * page), 0);
    compare_segment(8, 0);
    assert_int_equal(mappings_unmap(p, 8 * page), 0);
}

/* What would pass the ceiling is refused before the kernel is asked, and nothing has changed. */
static void the_ceiling_refuses(void **state) {
    (void)state;
    const size_t mib = (size_t)1 << 20;
    char *p = mappings_map(NULL, 8 * mib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, NULL);
    char *none = mappings_map(NULL, 64 * mib, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, NULL);
    size_t used = rooms_charged;
    rooms_max = used + 4 * mib;
    unsigned before = refusals;
    assert_ptr_equal(mappings_map(NULL, 5 * mib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, NULL),
                     MAP_FAILED);
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(mappings_protect(none, 5 * mib, PROT_READ | PROT_WRITE, -1, NULL), -1);
    assert_int_equal(errno, ENOMEM);
    assert_ptr_equal(mappings_remap(p, 8 * mib, 13 * mib, MREMAP_MAYMOVE, NULL, NULL), MAP_FAILED);
    assert_ptr_equal(mappings_sbrk((long)(5 * mib), NULL), (void *)-1);
    assert_int_equal(refusals - before, 4);
    assert_int_equal(rooms_charged, used);
    /* What is charged already is replaced at no charge; reservations and files cost nothing. */
    assert_ptr_equal(
        mappings_map(p, 8 * mib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0, NULL), p);
    char *more = mappings_map(NULL, 500 * mib, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, NULL);
    assert_ptr_not_equal(more, MAP_FAILED);
    assert_int_equal(mappings_protect(none, 4 * mib, PROT_READ | PROT_WRITE, -1, NULL), 0);
    rooms_max = SIZE_MAX;
    assert_int_equal(mappings_unmap(more, 500 * mib), 0);
    assert_int_equal(mappings_unmap(none, 64 * mib), 0);
    assert_int_equal(mappings_unmap(p, 8 * mib), 0);
}

/* The tables may find no room where the pages would: then nothing stays charged. */
static void what_finds_no_room_in_the_tables_is_not_charged(void **state) {
    (void)state;
    const size_t gib = (size_t)1 << 30, mib = (size_t)1 << 20, piece = 128 * mib;
    char *p = mappings_map(NULL, 16 * gib, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0, NULL);
    assert_ptr_not_equal(p, MAP_FAILED);
    unsigned before = refusals, refused = 0;
    for (size_t at = piece; at < 15 * gib && !refused; at += piece) {
        size_t used = rooms_charged, tables = region_total;
        rooms_max = used + mib;
        int r = mappings_protect(p + at, mib, PROT_READ | PROT_WRITE, -1, NULL);
        rooms_max = SIZE_MAX;
        refused += r != 0;
        assert_int_equal(rooms_charged - used - (region_total - tables), r == 0 ? mib : 0);
    }
    assert_int_equal(refused, 1);
    assert_int_equal(refusals - before, 1);
    assert_int_equal(mappings_unmap(p, 16 * gib), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_as_computed_by_hand),
        cmocka_unit_test(terabytes_cost_little),
        cmocka_unit_test(shared_memory_is_mapped),
        cmocka_unit_test(only_the_segment_is_detached),
        cmocka_unit_test(the_ceiling_refuses),
        cmocka_unit_test(what_finds_no_room_in_the_tables_is_not_charged),
        cmocka_unit_test(the_map_is_the_kernels),
    };
    rooms_start();
    owners_stack = a_stack;
    if (!mappings_start()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
