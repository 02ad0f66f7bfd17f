/* A futex mutex over the page that forks wipe; see lock.h. */
#include "shim/base/lock.h"
#include "shim/base/sys.h"

#include <stdatomic.h>

#ifndef MADV_WIPEONFORK
#    define MADV_WIPEONFORK 18
#endif

struct lock_page lock_page;

_Static_assert(sizeof(struct lock_page) == 4096, "the lock page is one page, and nothing else is on it");

#define WAITED (1u << 31) /* somebody waits for it */

/* Who holds it stands in the word itself, so that there is no instant at which nobody can tell. Threads' control blocks
 * are 64 bytes apart at least; two of them look the same only when they are 128 GiB apart to the byte. */
static uint32_t self(void) {
    return (uint32_t)(thread_pointer() >> 6 & (WAITED - 1)) | 1;
}

#ifdef WEIR_LOCK_TIMES /* built for scripts/bench: says at the end how long each lock was held */
#    include "shim/base/clock.h"
#    include "shim/base/text.h"

static struct { uint64_t taken, begin, ns, longest; /* written by who holds the lock */ } held[LOCKS];

static void begins(enum lock_name name) {
    held[name].taken++;
    held[name].begin = clock_now();
}

static void ends(enum lock_name name) {
    uint64_t ns = clock_now() - held[name].begin;
    held[name].ns += ns;
    if (ns > held[name].longest) held[name].longest = ns;
}

__attribute__((destructor)) static void tell(void) {
    static const char *const names[LOCKS] = {"start", "kept", "heaps", "slices", "modules", "box", "dump", "records"};
    for (int i = 0; i < LOCKS; i++) {
        if (held[i].taken == 0 || !names[i]) continue;
        struct text t = {.length = 0};
        text_add(&t, "lock ");
        text_add(&t, names[i]);
        text_add(&t, " ");
        text_add_number(&t, held[i].taken);
        text_add(&t, " ");
        text_add_number(&t, held[i].ns / held[i].taken);
        text_add(&t, " ");
        text_add_number(&t, held[i].longest);
        message_send(&t);
    }
}
#else
static void begins(enum lock_name name) {
    (void)name;
}
static void ends(enum lock_name name) {
    (void)name;
}
#endif

bool lock_try(enum lock_name name) {
    uint32_t expected = 0;
    if (!atomic_compare_exchange_strong_explicit(&lock_page.word[name][0], &expected, self(), memory_order_acquire,
                                                 memory_order_relaxed))
        return false;
    begins(name);
    return true;
}

/* Others may wait as well, so that who has waited takes it as waited for. */
static void wait_for(_Atomic uint32_t *word) {
    for (;;) {
        uint32_t now = atomic_load_explicit(word, memory_order_relaxed);
        uint32_t next = now == 0 ? self() | WAITED : now | WAITED;
        if (now != next &&
            !atomic_compare_exchange_strong_explicit(word, &now, next, memory_order_acquire, memory_order_relaxed))
            continue;
        if (now == 0) return;
        sys_futex_wait((uint32_t *)word, next);
    }
}

void lock_take(enum lock_name name) {
    if (lock_try(name)) return;
    _Atomic uint32_t *word = &lock_page.word[name][0];
    for (int spin = 0; spin < 64; spin++) {
        __builtin_ia32_pause();
        if (atomic_load_explicit(word, memory_order_relaxed) == 0 && lock_try(name)) return;
    }
    wait_for(word);
    begins(name);
}

bool lock_try_word(_Atomic uint32_t *word) {
    uint32_t me = atomic_load_explicit(&lock_page.owner, memory_order_relaxed), by = 0;
    while (!atomic_compare_exchange_strong_explicit(word, &by, me, memory_order_acquire, memory_order_relaxed))
        if (by == me) return false;
    return true;
}
void lock_give_word(_Atomic uint32_t *word) {
    atomic_store_explicit(word, 0, memory_order_release);
}

void lock_give(enum lock_name name) {
    _Atomic uint32_t *word = &lock_page.word[name][0];
    ends(name);
    if (atomic_exchange_explicit(word, 0, memory_order_release) & WAITED) sys_futex_wake((uint32_t *)word, 1);
}

bool lock_held_here(enum lock_name name) {
    return (atomic_load_explicit(&lock_page.word[name][0], memory_order_relaxed) & ~WAITED) == self();
}

void lock_give_held(void) {
    for (int i = 0; i < LOCKS; i++)
        if (lock_held_here((enum lock_name)i)) lock_give((enum lock_name)i);
}

/* Never 0, which stands for nobody; a filter may forbid to ask. */
static uint32_t this_process(void) {
    uint32_t id = sys_getpid();
    return id ? id : UINT32_MAX;
}

void lock_start(void) {
    (void)sys_madvise(&lock_page, sizeof lock_page, MADV_WIPEONFORK);
    atomic_store_explicit(&lock_page.owner, this_process(), memory_order_release);
}

enum lock_process lock_process(void) {
    uint32_t owner = atomic_load_explicit(&lock_page.owner, memory_order_relaxed);
    if (owner == 0) return PROCESS_NEW_CHILD;
    long self = sys0(SYS_getpid); /* a filter may forbid even that; then nobody can tell a vfork child */
    return sys_failed(self) || owner == (uint32_t)self ? PROCESS_OWNER : PROCESS_BORROWER;
}

bool lock_adopt(void) {
    uint32_t expected = 0;
    return atomic_compare_exchange_strong_explicit(&lock_page.owner, &expected, this_process(), memory_order_acq_rel,
                                                   memory_order_relaxed);
}
