/* See looks.h. */
#include "shim/scan/looks.h"
#include "shim/arena/arena.h"
#include "shim/base/clock.h"
#include "shim/base/sys.h"

#include <stdatomic.h>

#define PAUSE_WAIT  1000         /* ms that the process may take to say how long it stood still */
#define WRITING_MAX 600000000000 /* ns; a writer that is at it for longer was killed */
#define SUM_BITS    28           /* of a number; above them the place's, of which the window has 2^36 */
#define SUM_MASK    ((1u << SUM_BITS) - 1)

struct list {
    _Atomic uint64_t time; /* when it was whole, by the clock; 0: it is not */
    uint64_t count;
    uint64_t blocks[LOOKS_MAX];
};

static struct shared {
    uint32_t process;         /* whose it is */
    _Atomic uint64_t writing; /* since when one writes, by the clock: another one keeps nothing then; 0: none */
    _Atomic uint64_t pause;
    struct list lists[2];
    struct list lost;
} * shared;

static struct list *older, *newer; /* this search's: compared with; written */
static uint64_t at;                /* in the older one */

bool looks_begin(void) {
    uint32_t process = sys_getpid();
    if (shared && shared->process == process) return true;
    size_t size = round_up(sizeof *shared, PAGE);
    void *p = shared ? shared : sys_reserve(size, MAP_NORESERVE);
    if (!p) return false;
    long r = sys6(SYS_mmap, (long)p, (long)size, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (sys_failed(r)) return false;
    shared = p;
    shared->process = process;
    return true;
}

void looks_set_pause(uint64_t pause) {
    if (shared) atomic_store_explicit(&shared->pause, pause, memory_order_relaxed);
}

uint64_t looks_pause(void) {
    for (int ms = 0; shared && ms < PAUSE_WAIT; ms++) {
        uint64_t told = atomic_load_explicit(&shared->pause, memory_order_relaxed);
        if (told != 0) return told;
        sys_pause(1000000);
    }
    return 0;
}

static uint64_t time_of(const struct list *l) {
    return atomic_load_explicit(&((struct list *)(uintptr_t)l)->time, memory_order_acquire);
}

uint64_t looks_open(bool certain) {
    uint64_t now = clock_now(), since;
    older = newer = NULL;
    at = 0;
    if (!shared || !certain) return 0;
    since = atomic_load_explicit(&shared->writing, memory_order_relaxed);
    if ((since != 0 && now - since < WRITING_MAX) ||
        !atomic_compare_exchange_strong_explicit(&shared->writing, &since, now, memory_order_acquire,
                                                 memory_order_relaxed))
        return 0;
    struct list *a = &shared->lists[0], *b = &shared->lists[1];
    struct list *last = time_of(a) > time_of(b) ? a : b, *other = last == a ? b : a;
    /* One that is too young is written over, so that an older one comes of age. */
    bool young = now - time_of(last) < LOOKS_APART;
    older = young ? other : last;
    newer = young ? last : other;
    atomic_store_explicit(&newer->time, 0, memory_order_release);
    newer->count = shared->lost.count = 0;
    if (time_of(older) != 0) return now - time_of(older);
    older = NULL;
    return 0;
}

#define SUMMED (32 * KIB) /* bytes at either end of a block that its sum is of */

static uint64_t sum_words(uint64_t sum, const uint64_t *words, size_t n) {
    for (size_t i = 0; i < n; i++) sum = (sum ^ words[i]) * 0x9e3779b97f4a7c15u;
    return sum ^ sum >> 32;
}

uint32_t looks_sum(const char *start, size_t size) {
    const uint64_t *content = (const void *)start;
    uint64_t sum = size;
    size_t words = size / 8, part = min_size(words, SUMMED / 8);
    struct place place = arena_find(start);
    if (place.tracked) sum = sum * 0x9e3779b97f4a7c15u + place.side->time + place.side->stack;
    sum = sum_words(sum, content, part);
    if (words > part) sum = sum_words(sum, content + words - part, part);
    return (uint32_t)(sum ^ sum >> SUM_BITS) & SUM_MASK;
}

static uint64_t number_of(uintptr_t start, uint32_t sum) {
    return (uint64_t)(start - arena.base) >> 4 << SUM_BITS | sum;
}

void looks_lose(uintptr_t start, uint32_t sum) {
    if (newer && shared->lost.count < LOOKS_MAX) shared->lost.blocks[shared->lost.count++] = number_of(start, sum);
}

void looks_each_lost(void (*see)(void *context, char *start, uint32_t sum), void *context) {
    for (uint64_t i = 0; shared && i < min_size(shared->lost.count, LOOKS_MAX); i++) {
        uint64_t number = shared->lost.blocks[i];
        see(context, (char *)(arena.base + (number >> SUM_BITS << 4)), (uint32_t)(number & SUM_MASK));
    }
}

bool looks_keep(uintptr_t start, uint32_t sum) {
    uint64_t number = number_of(start, sum), place = number >> SUM_BITS;
    if (newer && newer->count < LOOKS_MAX) newer->blocks[newer->count++] = number;
    if (!older) return false;
    while (at < min_size(older->count, LOOKS_MAX) && older->blocks[at] >> SUM_BITS < place) at++;
    return at < min_size(older->count, LOOKS_MAX) && older->blocks[at] == number;
}

void looks_close(void) {
    if (!newer) return;
    atomic_store_explicit(&newer->time, clock_now(), memory_order_release);
    atomic_store_explicit(&shared->writing, 0, memory_order_release);
    older = newer = NULL;
}
