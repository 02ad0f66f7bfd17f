/* See sample.h. */
#include "shim/arena/sample.h"
#include "shim/arena/heap.h"
#include "shim/base/clock.h"
#include "shim/base/options.h"
#include "shim/base/random.h"
#include "shim/base/start.h"

#include <elf.h>
#include <stdatomic.h>

bool sample_on, sample_none;
uint8_t sample_epoch;
_Atomic uint32_t sample_thinned;
uint64_t sample_run_exponents[(RUN_HIGH >> SLICE_SHIFT) + 1];

static uint64_t scale; /* 1 / R, fixed; rounded, and p follows what it is */
static uint64_t extra; /* C, bytes */
static uint64_t most;  /* bytes; larger blocks are drawn as such */
static uint64_t process_seed;

/* A bucket of tokens: a sample that is taken or freed costs one. It holds those of a quarter of a second, and each
 * period adds three quarters of what the rate allows in it, so that no second has more than WEIR_SAMPLE_RATE. Periods
 * are of 1/4 s, or so long that they add one. */
#define PERIOD (1000000000u / 4)
static uint64_t period; /* ns */
static uint64_t full, refill;

/* The period's number, what was counted in it, the tokens that it began with, and what `thinned` began with in it. */
struct window {
    uint64_t number : 20, count : 20, tokens : 19, thinned : 5;
};
#define NUMBERS   (1u << 20)
#define AHEAD     16u /* another thread may be, by fewer than so many periods */
#define COUNT_MAX ((1u << 20) - 1)
_Static_assert(OPTION_SAMPLE_RATE_MAX / 2 < 1u << 19, "the tokens have room");
union packed {
    uint64_t word;
    struct window is;
};
static _Atomic uint64_t window; /* a union packed */
_Atomic uint64_t sample_taken, sample_lost;
_Atomic uint32_t sample_most_thinned;

/* --- how much is drawn --- */

/* The first half of the tokens that a period begins with is free; the rest raises `thinned` to its highest. */
static uint32_t thinned_of(struct window w) {
    uint64_t half = w.tokens / 2;
    uint64_t rise = w.count > half ? (w.count - half) * SAMPLE_THINNED_MAX / (w.tokens - half) : 0;
    return (uint32_t)min_size(w.thinned + rise, SAMPLE_THINNED_MAX);
}

/* The same as of now. A calm period (what twice as many draws would have cost is less than half of what is refilled)
 * halves the interval, each one without any does too. */
static struct window window_of_now(struct window w) {
    uint32_t gone = (uint32_t)(clock_coarse() / period - w.number) % NUMBERS;
    if (gone == 0 || gone > NUMBERS - AHEAD) return w;
    ASSERT(w.tokens > 0);
    uint64_t left = w.tokens - min_size(w.count, w.tokens);
    uint64_t thinned = w.count > w.tokens / 2 ? thinned_of(w) : w.thinned;
    thinned -= min_size(thinned, gone - 1 + (w.count <= refill / 4));
    return (struct window){(w.number + gone) % NUMBERS, 0, min_size(full, left + gone * refill) & 0x7ffff,
                           thinned & 31};
}

/* Adds to what is counted, and sees what `thinned` is now. */
static uint32_t look(uint32_t more) {
    union packed was = {atomic_load_explicit(&window, memory_order_relaxed)}, next;
    do {
        next.is = window_of_now(was.is);
        if (next.is.count < COUNT_MAX) next.is.count += more & 1;
    } while (!atomic_compare_exchange_weak_explicit(&window, &was.word, next.word, memory_order_relaxed,
                                                    memory_order_relaxed));
    uint32_t thinned = thinned_of(next.is);
    atomic_store_explicit(&sample_thinned, thinned, memory_order_relaxed);
    if (unlikely(thinned > atomic_load_explicit(&sample_most_thinned, memory_order_relaxed)))
        atomic_store_explicit(&sample_most_thinned, thinned, memory_order_relaxed);
    return thinned;
}

void sample_look(void) {
    (void)look(0);
}

static uint32_t thinned_now(void) {
    return likely(atomic_load_explicit(&sample_thinned, memory_order_relaxed) == 0) ? 0 : look(0);
}

void sample_count(void) {
    if (sample_on && !arena.tracks_all) (void)look(1);
}

void sample_count_taken(void) {
    atomic_fetch_add_explicit(&sample_taken, 1, memory_order_relaxed);
    sample_count();
}

void sample_count_lost(void) {
    atomic_fetch_add_explicit(&sample_lost, 1, memory_order_relaxed);
}

bool sample_is_spent(void) {
    union packed w = {atomic_load_explicit(&window, memory_order_relaxed)};
    if (!sample_on || arena.tracks_all) return false;
    w.is = window_of_now(w.is);
    return w.is.count >= w.is.tokens;
}

struct sample_numbers sample_numbers(void) {
    return (struct sample_numbers){atomic_load_explicit(&sample_taken, memory_order_relaxed),
                                   atomic_load_explicit(&sample_lost, memory_order_relaxed), thinned_now(),
                                   atomic_load_explicit(&sample_most_thinned, memory_order_relaxed)};
}

/* --- probabilities --- */

/* x of a place of that size, a fixed number of at least 1. */
static uint64_t exponent(size_t size, uint32_t thinned) {
    return max_size(min_size(size + extra, most) * scale >> thinned, 1);
}

/* Of a run: the class that its span would be of, so that a byte holds what it was drawn by. Classes go on as they
 * begin, to 2^37 bytes; the first multiples of a slice are all sizes of some. */
static uint8_t class_of_run(size_t n) {
    return (uint8_t)min_size(class_of(round_up(n, SLICE)), SAMPLE_CERTAIN - 1);
}

uint64_t sample_probability(struct draw draw) {
    if (draw.class == SAMPLE_CERTAIN) return PROBABILITY_ONE;
    return probability_of(exponent(class_size(draw.class), draw.thinned));
}

uint64_t sample_weight(struct draw draw) {
    static _Atomic uint64_t known[SAMPLE_CERTAIN][SAMPLE_THINNED_MAX + 1];
    if (draw.class == SAMPLE_CERTAIN) return 1u << SAMPLE_WEIGHT_SHIFT;
    ASSERT(draw.thinned <= SAMPLE_THINNED_MAX);
    _Atomic uint64_t *weight = &known[draw.class][draw.thinned];
    uint64_t w = atomic_load_explicit(weight, memory_order_relaxed);
    if (likely(w != 0)) return w;
    w = probability_divide(1u << SAMPLE_WEIGHT_SHIFT, sample_probability(draw));
    atomic_store_explicit(weight, w, memory_order_relaxed);
    return w;
}

bool sample_would_stay(struct draw draw, const struct place *place, size_t n) {
    if (draw.class >= CLASSES) return n > CLASS_MAX && n <= place->size; /* a run */
    return arena_stays(class_size(draw.class), n);
}

/* Whoever is just adding to the old window may count by the old rate once more. */
void sample_set_rate(uint64_t samples) {
    full = max_size(samples / 4, 1);
    refill = max_size(samples * 3 / 16, 1);
    period = max_size(PERIOD, (uint64_t)PERIOD * 16 / 3 / samples);
    union packed was = {atomic_load_explicit(&window, memory_order_relaxed)};
    union packed begin = {.is = {.number = (clock_coarse() / period) % NUMBERS,
                                 .tokens = full & 0x7ffff,
                                 .thinned = was.is.tokens ? thinned_of(was.is) & 31 : 0}};
    atomic_store_explicit(&window, begin.word, memory_order_relaxed);
    atomic_store_explicit(&sample_thinned, (uint32_t)begin.is.thinned, memory_order_relaxed);
}

void sample_change(void) {
    if (++sample_epoch == 0) sample_epoch = 1; /* 0: nothing has ever changed */
}

void sample_start(const struct sample_wishes *w) {
    sample_on = w->bytes > 1;
    if (!sample_on) return;
    const uint64_t *random = (const void *)start_auxiliary(AT_RANDOM);
    scale = FIXED_ONE / w->bytes;
    extra = w->bytes / w->blocks;
    most = UINT64_MAX / scale;
    for (size_t i = 0; i < ARRAY_LENGTH(sample_run_exponents); i++)
        sample_run_exponents[i] = exponent(i << SLICE_SHIFT, 0);
    atomic_store_explicit(&window, 0, memory_order_relaxed);
    sample_set_rate(w->rate);
    process_seed = (random ? random[1] : 0) ^ clock_now();
}

/* --- draws --- */

static void seed(void) {
    static _Atomic uint64_t seeds;
    uint64_t state = process_seed ^ (uint64_t)heap_process() << 32 ^ clock_now();
    state += atomic_fetch_add_explicit(&seeds, 0x9e3779b97f4a7c15u, memory_order_relaxed) ^ (uintptr_t)&tls;
    tls.random = random_next(&state);
    tls.random_process = heap_process();
    tls.run_distance = 0;
}

/* The thread's own; a child's is not its parent's. */
static uint64_t *state(void) {
    if (unlikely(tls.random_process != heap_process())) seed();
    return &tls.random;
}

uint64_t sample_distance(const struct slab *s) {
    return random_exponential(state()) / exponent(s->size, s->thinned);
}

static void draw_anew(struct slab *s) {
    s->thinned = (uint8_t)sample_thinned_lately();
    s->left = sample_distance(s);
}

/* What is left from the last list was drawn by the same as this one, or is drawn again. */
uint64_t sample_begin(struct slab *s) {
    if (!sample_on || sample_none || (slab_owner_word(s) & OWNER_TRACKED)) return SLAB_NO_MARKS;
    if (unlikely(sample_thinned_lately() != s->thinned || s->drawn_in != sample_epoch)) draw_anew(s);
    s->drawn_in = sample_epoch;
    return s->left;
}

void sample_slab(struct slab *s) {
    if (sample_on) draw_anew(s);
    s->drawn_in = sample_epoch;
}

void sample_redraw(struct slab *s) {
    draw_anew(s);
    s->drawn_in = sample_epoch;
    uint64_t left = sample_none ? SLAB_NO_MARKS : s->left;
    uint32_t n = 0;
    for (struct link *b = s->free, *next; b && b != &slab_nil && n <= slab_capacity(s); b = next, n++) {
        next = link_follow(b);
        if (!slab_in_same_span(b, slab_start(s))) return;
        bool drawn = left-- == 0;
        if (drawn != link_is_marked(b)) link_set_marked(b, next, drawn);
        if (drawn) left = sample_distance(s);
    }
    s->left = left;
}

bool sample_take(struct slab *s, struct draw *draw) {
    struct link *b = s->free;
    uint32_t was = s->thinned, now = (uint32_t)max_size(was, thinned_now());
    ASSERT(sample_is_due(s));
    link_set_marked(b, link_follow(b), !sample_none && random_exponential(state()) < exponent(s->size, was));
    if (sample_none) return false;
    *draw = (struct draw){s->class, (uint8_t)now};
    return now == was ||
           random_is_below(state(), probability_of(exponent(s->size, now)), probability_of(exponent(s->size, was)));
}

bool sample_take_run(size_t n, struct draw *draw) {
    *draw = (struct draw){class_of_run(n), (uint8_t)thinned_now()};
    uint64_t x = exponent(class_size(draw->class), draw->thinned), *random = state();
    if (tls.run_distance == 0) tls.run_distance = random_exponential(random) | 1;
    if (tls.run_distance > x) {
        tls.run_distance -= x;
        return false;
    }
    tls.run_distance = random_exponential(random) | 1;
    return !sample_none;
}

void sample_forked(void) {
    if (!sample_on) return;
    sample_change();
    for (size_t i = 0; i < ARRAY_LENGTH(tls.direct); i++) tls.direct[i] = &slab_empty; /* by the near path once */
    atomic_store_explicit(&sample_taken, 0, memory_order_relaxed);
    atomic_store_explicit(&sample_lost, 0, memory_order_relaxed);
}
