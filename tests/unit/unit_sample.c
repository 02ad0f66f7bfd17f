/* Sampling: the draws by themselves, the blocks that are drawn, and what the reporter makes of them. Each draw here is
 * of a sequence that begins with a fixed number, so that a run is as any other one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reporter/load/ages.h"
#include "reporter/load/estimate.h"
#include "shim/arena/fast.h"
#include "shim/arena/near.h"
#include "shim/arena/sample.h"
#include "shim/base/random.h"
#include "tests/unit/rooms.h"

#define R 65536.0
#define C (R / 128)

/* --- numbers --- */

static void exponential_draws_are_exponential(void **unused) {
    (void)unused;
    enum { DRAWS = 1000000 };
    const double levels[] = {1.0 / 4096, 1.0 / 128, 0.1, 0.5, 1, 2, 5};
    unsigned below[7] = {0};
    uint64_t state = 1;
    double sum = 0;
    for (int i = 0; i < DRAWS; i++) {
        double e = (double)random_exponential(&state) / (double)FIXED_ONE;
        sum += e;
        for (int j = 0; j < 7; j++) below[j] += e < levels[j];
    }
    assert_true(fabs(sum / DRAWS - 1) < 4.5 / sqrt(DRAWS));
    for (int j = 0; j < 7; j++) {
        double p = -expm1(-levels[j]), off = (below[j] - DRAWS * p) / sqrt(DRAWS * p * (1 - p));
        if (fabs(off) > 4.5) fail_msg("below %g: %u, %.1f standard deviations off", levels[j], below[j], off);
    }
}

static void probabilities_are_those_of_libm(void **unused) {
    (void)unused;
    for (double x = 0x1p-40; x < 60; x *= 1.0117) {
        uint64_t fixed = (uint64_t)(x * (double)FIXED_ONE);
        double p = (double)probability_of(fixed) / (double)PROBABILITY_ONE;
        double truth = -expm1(-(double)fixed / (double)FIXED_ONE);
        if (fabs(p - truth) > fmax(truth * 0x1p-40, 0x1p-59)) fail_msg("1 - exp(-%g): %.17g, not %.17g", x, p, truth);
        uint32_t bits = float_of_inverse(probability_of(fixed));
        float inverse;
        memcpy(&inverse, &bits, sizeof inverse);
        if (fabs(inverse * p - 1) > 0x1p-16) fail_msg("1 / %g: %g", truth, (double)inverse);
    }
    assert_int_equal(probability_of(0), 0);
    assert_int_equal(float_of_inverse(PROBABILITY_ONE), 0x3f800000);
    assert_int_equal(probability_divide(12345, PROBABILITY_ONE), 12345);
    assert_int_equal(probability_divide(12345, PROBABILITY_ONE / 4), 4 * 12345);
    assert_int_equal(probability_divide(UINT64_MAX, 1), UINT64_MAX);
}

static const struct drawing all = {0, 0};

/* Garwood's ranges, as tables have them. */
static void ranges_of_few_samples_are_the_exact_ones(void **unused) {
    (void)unused;
    static const struct {
        int n;
        double low, high;
    } known[] = {
        {1, 0.0253, 5.572}, {2, 0.2422, 7.225}, {4, 1.0899, 10.242}, {10, 4.7954, 18.390}, {100, 81.364, 121.627}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct samples s = {0};
        for (int j = 0; j < known[i].n; j++) samples_add(&s, &all, 1, 1, 1e6);
        struct estimate e = samples_estimate(&s);
        if (fabs(e.low / (known[i].low * 1e6) - 1) > 0.001 || fabs(e.high / (known[i].high * 1e6) - 1) > 0.001)
            fail_msg("%d samples: %g to %g", known[i].n, e.low / 1e6, e.high / 1e6);
    }
    struct samples exact = {0};
    samples_add(&exact, &all, 5, 5, 1);
    struct estimate e = samples_estimate(&exact);
    assert_true(samples_are_exact(&exact) && e.value == 5 && e.low == 5 && e.high == 5);
    /* Around the approximation for large ones the two agree. */
    assert_true(fabs(gamma_quantile(99999, 0.025) / gamma_quantile(100001, 0.025) - 1) < 3e-5);
    assert_true(fabs(gamma_quantile(99999, 0.975) / gamma_quantile(100001, 0.975) - 1) < 3e-5);
}

/* --- blocks --- */

static void begin(uint64_t seed) {
    void *p = rooms_take(16); /* there is a heap */
    rooms_give(p);
    tls.random = seed;
    tls.random_process = heap_process();
    tls.run_distance = 0;
}

/* As malloc has it, where the slow path tracks what is drawn. */
static void *take(size_t n, struct draw *draw, bool *drawn) {
    *drawn = false;
    void *p = n <= SMALL_MAX ? arena_pop(n) : NULL;
    if (!p) p = arena_pop_near(n);
    if (p) return p;
    bool outermost = arena_enter();
    struct side *side = NULL;
    p = arena_allocate_or_draw(n, 16, false, draw, drawn, &side);
    if (*drawn && !p) p = arena_allocate(n, 16, false, &side);
    if (*drawn) {
        side->drawn = draw->class;
        side->thinned = draw->thinned & 31u;
        side->size = n & 0xffffffffffff;
        atomic_store(&side->state, SIDE_LIVE);
    }
    arena_leave(outermost);
    assert_non_null(p);
    return p;
}

static double weight_of(struct draw draw) {
    return (double)PROBABILITY_ONE / (double)sample_probability(draw);
}

static double p_of(size_t place) {
    return -expm1(-((double)place + C) / R);
}

/* Makes blocks of the size and frees them `behind` blocks later, and compares how many were drawn. */
static void draws_follow(size_t size, size_t place, unsigned blocks, unsigned behind) {
    static void *ring[4096];
    unsigned drawn_blocks = 0;
    for (unsigned i = 0; i < blocks; i++) {
        struct draw draw;
        bool drawn;
        if (ring[i % behind]) rooms_give(ring[i % behind]);
        ring[i % behind] = take(size, &draw, &drawn);
        drawn_blocks += drawn;
        if (drawn && fabs(weight_of(draw) * p_of(place) - 1) > 1e-5)
            fail_msg("%zu bytes were drawn with 1 in %g", size, weight_of(draw));
    }
    for (unsigned i = 0; i < behind; i++) {
        if (ring[i]) rooms_give(ring[i]);
        ring[i] = NULL;
    }
    double p = p_of(place), off = (drawn_blocks - blocks * p) / sqrt(blocks * p * (1 - p));
    print_message("%zu bytes, %u behind: %u of %u drawn, %.2f standard deviations off\n", size, behind, drawn_blocks,
                  blocks, off);
    if (fabs(off) > 4) fail_msg("%zu bytes: %u of %u drawn, not %.0f", size, drawn_blocks, blocks, blocks * p);
}

static void blocks_are_drawn_as_their_places_say(void **unused) {
    (void)unused;
    begin(2);
    draws_follow(16, 16, 1280000, 1);
    draws_follow(16, 16, 1280000, 4096);
    draws_follow(250, 256, 400000, 300);
    draws_follow(1000, 1024, 200000, 50);
    draws_follow(5000, 5120, 100000, 1);
    draws_follow(40000, 40960, 20000, 3);
    draws_follow(65537, 131072, 20000, 1); /* runs that the thread keeps */
    draws_follow(150000, 196608, 20000, 40);
}

/* Two sites that alternate, with any period: either is drawn as often. */
static void periods_are_not_seen(void **unused) {
    (void)unused;
    begin(3);
    for (unsigned period = 2; period <= 256; period *= 2) {
        unsigned drawn_of_first = 0, n = 128 * 400 * period;
        if (n > 1280000) n = 1280000;
        for (unsigned i = 0; i < n; i++) {
            struct draw draw;
            bool drawn;
            rooms_give(take(48, &draw, &drawn));
            drawn_of_first += drawn && i % period == 0;
        }
        double expected = (double)n / period * p_of(48), off = (drawn_of_first - expected) / sqrt(expected);
        if (fabs(off) > 4) fail_msg("period %u: %u, not %.0f", period, drawn_of_first, expected);
    }
}

/* The distances between blocks that are drawn are geometric: as many are shorter than the mean, and so on. */
static void distances_are_geometric(void **unused) {
    (void)unused;
    begin(4);
    double p = p_of(32);
    unsigned shorter[4] = {0}, total = 0;
    const unsigned limits[4] = {1, 10, 100, 400};
    for (unsigned i = 0, last = 0; i < 2000000; i++) {
        struct draw draw;
        bool drawn;
        rooms_give(take(32, &draw, &drawn));
        if (!drawn) continue;
        for (int j = 0; j < 4; j++) shorter[j] += i - last <= limits[j];
        total++;
        last = i;
    }
    for (int j = 0; j < 4; j++) {
        double q = 1 - pow(1 - p, limits[j]), off = (shorter[j] - total * q) / sqrt(total * q * (1 - q));
        if (fabs(off) > 4) fail_msg("%u of %u distances are at most %u, %.1f off", shorter[j], total, limits[j], off);
    }
}

/* --- ranges --- */

static unsigned runs = 400; /* SAMPLE_RUNS */

/* 93 to 97 % of the ranges hold, and more where samples are few: then exact ranges are too wide. Chance is given three
 * of its standard deviations. */
static bool are_held(unsigned held, double most) {
    double share = (double)held / runs, off = 3 * sqrt(0.95 * 0.05 / runs);
    return share > 0.93 - off && share < most + off;
}

static const struct drawing as_here = {R, C};
static void ranges_hold(const char *what, unsigned blocks, size_t (*size)(uint64_t *)) {
    static void *made[20000];
    unsigned blocks_held = 0, bytes_held = 0;
    uint64_t random = 5;
    begin(6);
    for (unsigned run = 0; run < runs; run++) {
        struct samples count = {0}, sum = {0};
        double bytes = 0;
        for (unsigned i = 0; i < blocks; i++) {
            struct draw draw;
            bool drawn;
            size_t n = size(&random);
            made[i] = take(n, &draw, &drawn);
            bytes += (double)n;
            if (!drawn) continue;
            samples_add(&count, &as_here, (double)n, 1, weight_of(draw));
            samples_add(&sum, &as_here, (double)n, (double)n, weight_of(draw));
        }
        for (unsigned i = 0; i < blocks; i++) rooms_give(made[i]);
        struct estimate e = samples_estimate(&count), b = samples_estimate(&sum);
        blocks_held += e.low <= blocks && blocks <= e.high;
        bytes_held += b.low <= bytes && bytes <= b.high;
    }
    print_message("%s: of %u ranges %u of blocks and %u of bytes hold\n", what, runs, blocks_held, bytes_held);
    if (!are_held(blocks_held, 0.975) || !are_held(bytes_held, 0.975)) fail_msg("%s", what);
}

static size_t small(uint64_t *random) {
    return 16 + random_next(random) % 100;
}
static size_t large(uint64_t *random) {
    return 20000 + random_next(random) % 100000;
}
static size_t mixed(uint64_t *random) {
    return (size_t)16 << random_next(random) % 13;
}
static size_t one(uint64_t *random) {
    (void)random;
    return 48;
}
/* Of a size each that has no slab of its own yet, or not for long. */
static size_t many(uint64_t *random) {
    return 16 + random_next(random) % 2000;
}

static void ranges_hold_for_all_sizes(void **unused) {
    (void)unused;
    ranges_hold("one size", 5000, one);
    ranges_hold("small blocks", 20000, small);
    ranges_hold("large blocks", 300, large);
    ranges_hold("mixed blocks", 10000, mixed);
    ranges_hold("blocks on loans", 2000, many);
}

/* Where as many samples as there may be are taken in the first part of a run, and few in the rest: each block keeps
 * what it was drawn by. The mean of all runs is close to the truth, too. In the first cases ranges are wide: the last
 * and longest part has less than three samples. */
static void ranges_hold_with_the_cap_in_force(void **unused) {
    (void)unused;
    enum { SAMPLES = 16384, CASES = 5 };
    static void *made[500000];
    static double weights[SAMPLES], drawn_sizes[SAMPLES];
    size_t (*const sizes[CASES])(uint64_t *) = {one, small, large, mixed, one};
    const unsigned blocks[CASES] = {20000, 20000, 1500, 20000, 500000};
    const unsigned rates[CASES] = {200, 200, 200, 200, 10000}; /* a quarter of it at once */
    begin(7);
    for (unsigned k = 0; k < CASES; k++) {
        unsigned held = 0, thinned = 0, taken = 0;
        double sum = 0, squares = 0;
        uint64_t random = 8;
        for (unsigned run = 0; run < runs; run++) {
            struct samples count = {0};
            unsigned all_drawn = 0;
            sample_start(&(struct sample_wishes){65536, 128, rates[k]}); /* anew */
            for (unsigned i = 0; i < blocks[k]; i++) {
                struct draw draw;
                bool drawn;
                size_t n = sizes[k](&random);
                made[i] = take(n, &draw, &drawn);
                if (!drawn) continue;
                sample_count_taken();
                assert_true(all_drawn < SAMPLES);
                weights[all_drawn] = weight_of(draw), drawn_sizes[all_drawn++] = (double)n;
                thinned += draw.thinned > 0;
                taken++;
            }
            for (unsigned i = 0; i < blocks[k]; i++) rooms_give(made[i]);
            const struct drawing now = {ldexp(R, (int)sample_numbers().thinned), C};
            for (unsigned i = 0; i < all_drawn; i++) samples_add(&count, &now, drawn_sizes[i], 1, weights[i]);
            struct estimate e = samples_estimate(&count);
            held += e.low <= blocks[k] && blocks[k] <= e.high;
            sum += e.value;
            squares += e.value * e.value;
        }
        double mean = sum / runs, deviation = sqrt((squares / runs - mean * mean) / runs);
        print_message(
            "%u: of %u ranges %u hold; the mean is %.0f of %u, %.1f standard deviations off; %u of %u samples "
            "by less\n",
            k, runs, held, mean, blocks[k], (mean - blocks[k]) / deviation, thinned, taken);
        if (!are_held(held, k < 4 ? 1 : 0.975) || thinned < taken / 10 || fabs(mean - blocks[k]) > 4.5 * deviation)
            fail_msg("%u", k);
    }
}

/* A site whose blocks come and go, and that is as large as before: how often it seems to have changed. Where some of
 * them are the same blocks in both dumps, those are no chance. */
static struct samples draw_some(uint64_t *random, const size_t *sizes, unsigned blocks) {
    struct samples s = {0};
    for (unsigned i = 0; i < blocks; i++) {
        double n = (double)sizes[i], p = p_of(sizes[i]);
        if ((double)(random_next(random) >> 11) * 0x1p-53 < p) samples_add(&s, &as_here, n, n, 1 / p);
    }
    return s;
}

static void nothing_grows_beyond_chance_more_often_than_it_may(void **unused) {
    (void)unused;
    enum { MOST = 10000 };
    static size_t made[MOST];
    static const unsigned blocks[] = {20, 100, 500, 2000, MOST};
    size_t (*const sizes[])(uint64_t *) = {small, large, mixed};
    uint64_t random = 9;
    for (unsigned k = 0; k < 15; k++) {
        size_t (*size)(uint64_t *) = sizes[k % 3];
        unsigned grown = 0, shrunk = 0, kept_grown = 0, uneven = 0;
        for (unsigned run = 0; run < runs; run++) {
            for (unsigned i = 0; i < MOST; i++) made[i] = size(&random);
            struct samples before = draw_some(&random, made, blocks[k / 3]);
            struct samples now = draw_some(&random, made, blocks[k / 3]);
            struct estimate e = samples_difference(&before, &now);
            grown += e.low > 0;
            shrunk += e.high < 0;
            /* The same beside many that stay. */
            struct samples stays = draw_some(&random, made, MOST), whole = now, gone = before;
            samples_join(&gone, &stays);
            samples_join(&whole, &stays);
            uneven += !samples_take_off(&whole, &now) || !samples_take_off(&gone, &whole);
            kept_grown += samples_difference(&gone, &now).low > 0;
        }
        print_message("%u: of %u pairs %u seem to have grown, %u to have shrunk; beside what stays %u\n", k, runs,
                      grown, shrunk, kept_grown);
        double most = runs * 0.025 + 3 * sqrt(runs * 0.025);
        if (grown > most || shrunk > most || kept_grown > most || uneven) fail_msg("%u: %u uneven", k, uneven);
    }
}

/* And where something has grown, the range holds by how much, and is soon beyond chance. */
static void growth_is_seen_and_its_range_holds(void **unused) {
    (void)unused;
    static const unsigned before_blocks[] = {0, 1000, 10000, 10000}, grown_by[] = {1000, 2000, 2500, 10000};
    static size_t made[20000];
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) made[i] = 48;
    uint64_t random = 10;
    for (unsigned k = 0; k < 4; k++) {
        unsigned seen = 0, held = 0;
        for (unsigned run = 0; run < runs; run++) {
            struct samples before = draw_some(&random, made, before_blocks[k]);
            struct samples now = draw_some(&random, made, before_blocks[k] + grown_by[k]);
            struct estimate e = samples_difference(&before, &now);
            seen += e.low > 0;
            held += e.low <= 48.0 * grown_by[k] && 48.0 * grown_by[k] <= e.high;
        }
        print_message("%u: of %u pairs %u have grown beyond chance, %u ranges hold\n", k, runs, seen, held);
        if (!are_held(held, 0.995) || (k == 3 && seen < runs * 9 / 10)) fail_msg("%u", k);
    }
}

/* What is exact differs by as much as it does; what realloc has changed meanwhile cannot be taken off. */
static void differences_of_what_is_exact_are_exact(void **unused) {
    (void)unused;
    struct samples before = {0}, now = {0}, came = {0};
    samples_add(&before, &all, 1000, 1000, 1);
    samples_add(&now, &all, 1000, 1000, 1);
    samples_add(&now, &all, 24, 24, 1);
    struct estimate e = samples_difference(&before, &now);
    assert_true(e.value == 24 && e.low == 24 && e.high == 24);
    e = samples_difference(&now, &before);
    assert_true(e.value == -24 && e.low == -24 && e.high == -24);
    e = samples_difference(&now, &now);
    assert_true(e.value == 0 && e.low == 0 && e.high == 0);
    samples_add(&came, &as_here, 2000, 2000, 50);
    struct samples kept = now;
    assert_false(samples_take_off(&kept, &came));
    assert_true(kept.seen == now.seen && kept.unseen == now.unseen && kept.variance == now.variance);
    kept = came;
    assert_true(samples_take_off(&kept, &came));
    assert_true(kept.seen == 0 && kept.unseen == 0 && kept.variance == 0);
}

/* --- ages --- */

#define MINUTES(n) ((uint64_t)((n)*60e9))
static const struct ages_time an_hour = {MINUTES(10), MINUTES(70)};

static double between_0_and_1(uint64_t *random) {
    return (double)(random_next(random) >> 11) * 0x1p-53;
}

/* Lifetimes are a share of the hour; 0: for ever. `begin`: of the hour, when blocks begin to be made. */
static unsigned growing_of(unsigned blocks, double begin, double lifetime, bool all_alike, struct estimate *last) {
    uint64_t random = 11;
    unsigned growing = 0;
    for (unsigned run = 0; run < runs; run++) {
        struct ages ages = {0};
        for (unsigned i = 0; i < blocks; i++) {
            double made = begin + (1 - begin) * between_0_and_1(&random), chance = between_0_and_1(&random);
            if (lifetime > 0 && 1 - made > (all_alike ? lifetime : -lifetime * log1p(-chance))) continue;
            if (between_0_and_1(&random) >= p_of(1000)) continue;
            ages_add(&ages, &an_hour, an_hour.begin + (uint64_t)(made * 3600e9), 1000, 1 / p_of(1000));
        }
        struct estimate rate;
        if (!ages_growing(&ages, &rate)) continue;
        growing++;
        *last = rate;
    }
    return growing;
}

static void ages_tell_what_grows_from_what_turns_over(void **unused) {
    (void)unused;
    struct estimate rate = {0};
    unsigned steady = growing_of(20000, 0, 0, false, &rate);
    print_message("of %u sites that nobody drains %u grow, the last by %.0f [%.0f..%.0f] bytes a minute, not %.0f\n",
                  runs, steady, rate.value, rate.low, rate.high, 20000.0 * 1000 / 60);
    assert_true(steady > runs * 9 / 10 && fabs(rate.value * 60 / 20e6 - 1) < 0.3);
    assert_true(rate.low < rate.value && rate.value < rate.high);
    unsigned churning = growing_of(100000, 0, 0.1, false, &rate), queue = growing_of(40000, 0, 0.7, true, &rate),
             few = growing_of(200, 0, 0, false, &rate), late = growing_of(20000, 0.5, 0, false, &rate);
    print_message("of those that turn over %u, with a queue of a length %u, with few samples %u, that began late %u\n",
                  churning, queue, few, late);
    assert_true(churning == 0 && queue == 0 && few == 0 && late == 0);
    struct ages start = {0}, brief = {0};
    for (int i = 0; i < 1000; i++) ages_add(&start, &an_hour, an_hour.begin + (uint64_t)i, 1000, 1);
    for (uint64_t i = 0; i < 1000; i++) ages_add(&brief, &(struct ages_time){0, 4000000000u}, i * 4000000, 1000, 1);
    assert_false(ages_growing(&start, &rate));
    assert_false(ages_growing(&brief, &rate)); /* too short a time */
    double sum = 0;
    for (int i = 0; i < DUMP_LIFETIMES; i++) sum += brief.bytes[i];
    assert_true(sum == 1000 * 1000.0 && start.bytes[10] == 0 && start.bytes[11] == 1000 * 1000.0);
}

int main(void) {
    if (getenv("SAMPLE_RUNS")) runs = (unsigned)atoi(getenv("SAMPLE_RUNS"));
    rooms_start_sampling(&(struct sample_wishes){65536, 128, 1000000});
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponential_draws_are_exponential),
        cmocka_unit_test(probabilities_are_those_of_libm),
        cmocka_unit_test(ranges_of_few_samples_are_the_exact_ones),
        cmocka_unit_test(blocks_are_drawn_as_their_places_say),
        cmocka_unit_test(periods_are_not_seen),
        cmocka_unit_test(distances_are_geometric),
        cmocka_unit_test(ranges_hold_for_all_sizes),
        cmocka_unit_test(ranges_hold_with_the_cap_in_force),
        cmocka_unit_test(nothing_grows_beyond_chance_more_often_than_it_may),
        cmocka_unit_test(growth_is_seen_and_its_range_holds),
        cmocka_unit_test(differences_of_what_is_exact_are_exact),
        cmocka_unit_test(ages_tell_what_grows_from_what_turns_over),
    };
    return cmocka_run_group_tests_name("unit_sample", tests, NULL, NULL);
}
