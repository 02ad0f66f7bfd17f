/* See owners.h. Free records are a stack; its head has a number beside it that tells one state from a later one. */
#include "shim/ceiling/owners.h"
#include "shim/base/clock.h"
#include "shim/base/region.h"
#include "shim/base/sys.h"
#include "shim/ceiling/pages.h"

#define OWNERS_MAX ((size_t)1 << 20)

uint32_t (*owners_stack)(const void *frame);

struct region owners_table;
_Atomic uint32_t owners_used = 1;
static _Atomic uint64_t first_free; /* below its number; 0: none */

bool owners_start(void) {
    return owners_stack && region_reserve(&owners_table, OWNERS_MAX * sizeof(struct owner), false);
}

static struct owner *owner_at(uint32_t i) {
    return (struct owner *)(void *)owners_table.base + i;
}

static uint32_t take_free(void) {
    uint64_t head = atomic_load_explicit(&first_free, memory_order_acquire);
    while ((uint32_t)head != 0) {
        uint64_t next = atomic_load_explicit(&owner_at((uint32_t)head)->next, memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(&first_free, &head, ((head >> 32) + 1) << 32 | next,
                                                  memory_order_acq_rel, memory_order_acquire)) {
            return (uint32_t)head;
        }
    }
    return 0;
}

static uint32_t make(void) {
    uint32_t i = atomic_load_explicit(&owners_used, memory_order_relaxed);
    do {
        if (i >= OWNERS_MAX || !region_commit(&owners_table, (i + 1) * sizeof(struct owner))) return 0;
    } while (
        !atomic_compare_exchange_weak_explicit(&owners_used, &i, i + 1, memory_order_relaxed, memory_order_relaxed));
    return i;
}

static void give_back(uint32_t i) {
    uint64_t head = atomic_load_explicit(&first_free, memory_order_relaxed), next;
    do {
        atomic_store_explicit(&owner_at(i)->next, (uint32_t)head, memory_order_relaxed);
        next = ((head >> 32) + 1) << 32 | i;
    } while (
        !atomic_compare_exchange_weak_explicit(&first_free, &head, next, memory_order_acq_rel, memory_order_relaxed));
}

uint32_t owners_take(size_t size, const void *frame) {
    if (!owners_table.base) return 0;
    uint32_t stack = owners_stack(frame), i = take_free();
    if (i == 0) i = make();
    if (i == 0) return 0;
    struct owner *o = owner_at(i);
    o->stack = stack;
    o->thread = sys_gettid();
    o->time = clock_made();
    o->size = size;
    o->start = 0;
    atomic_store_explicit(&o->pages, 1, memory_order_release);
    return i;
}

static void lose(uint32_t owner, size_t pages) {
    uint64_t before = atomic_fetch_sub_explicit(&owner_at(owner)->pages, pages, memory_order_acq_rel);
    ASSERT(before >= pages);
    if (before == pages) give_back(owner);
}

/* The page is the caller's to change, so that its owner stays meanwhile. */
uint32_t owners_hold(uintptr_t page) {
    uint32_t owner = owners_table.base ? pages_owner(page) : 0;
    if (owner) atomic_fetch_add_explicit(&owner_at(owner)->pages, 1, memory_order_relaxed);
    return owner;
}

void owners_let_go(uint32_t owner) {
    if (owner) lose(owner, 1);
}

void owners_give(uintptr_t from, size_t n, uint32_t owner) {
    if (!owners_table.base || n == 0) return;
    size_t pages = n / PAGE;
    if (owner) atomic_fetch_add_explicit(&owner_at(owner)->pages, pages, memory_order_relaxed);
    size_t owned = pages_own(from, n, owner, lose);
    if (owner && owned < pages) lose(owner, pages - owned);
}

void owners_resized(uint32_t owner, uintptr_t start, size_t size) {
    if (!owner) return;
    owner_at(owner)->start = start;
    owner_at(owner)->size = size;
}

void owners_each(void (*see)(void *context, const struct owner *owner), void *context) {
    uint32_t end = owners_table.base ? atomic_load_explicit(&owners_used, memory_order_acquire) : 0;
    for (uint32_t i = 1; i < end; i++)
        if (atomic_load_explicit(&owner_at(i)->pages, memory_order_acquire) > 0) see(context, owner_at(i));
}
