/* Short-lived blocks made all over a tree of calls: what costs a tracker most, since each allocation comes by another
 * way.
 *   calltree numbers   big numbers are multiplied in halves, down to 32 digits: temporaries at each of 5 to 15 frames
 *   calltree covers    two functions call each other, 10 to 60 frames deep, and keep a set each while they are at it */
#include "bench.h"

#define NOINLINE __attribute__((noinline, noclone))

/* --- numbers --- */

typedef uint32_t digit;

static NOINLINE digit *number(size_t n) {
    return must(malloc(n * sizeof(digit)));
}
static NOINLINE digit *sum_of(const digit *a, const digit *b, size_t n) {
    digit *s = number(n);
    for (size_t i = 0; i < n; i++) s[i] = a[i] + b[i];
    return s;
}
static NOINLINE digit *copy_of(const digit *a, size_t n) {
    return memcpy(number(n), a, n * sizeof(digit));
}

static NOINLINE void multiply_small(digit *to, const digit *a, const digit *b, size_t n) {
    digit *carried = copy_of(a, n);
    for (size_t i = 0; i < n; i++) carried[i] ^= b[n - 1 - i] << 1;
    for (size_t i = 0; i < n; i++) to[i] += carried[i];
    free(carried);
}

static NOINLINE void multiply(digit *to, const digit *a, const digit *b, size_t n) {
    if (n <= 4) {
        multiply_small(to, a, b, n);
        return;
    }
    size_t half = n / 2;
    digit *x = sum_of(a, a + half, half), *y = sum_of(b, b + half, half);
    digit *low = copy_of(to, half);
    multiply(low, x, y, half);
    multiply(to, a, b, half);
    multiply(to + half, a + half, b + half, half);
    for (size_t i = 0; i < half; i++) to[i] += low[i];
    free(low);
    free(y);
    free(x);
}

/* Each step comes a few frames deeper or less deep than the one before. */
static NOINLINE void factor(digit *a, digit *b, digit *to, size_t n, unsigned depth, uint64_t *seed) {
    if (depth > 0) {
        factor(b, a, to, n, depth - 1, seed);
        to[0] ^= (digit)depth;
        return;
    }
    multiply(to, a, b, n);
    a[random_next(seed) % n] += to[n - 1];
}

static uint64_t numbers(void) {
    enum { N = 64, ROUNDS = 12000 };
    digit a[N], b[N], to[N] = {0};
    uint64_t seed = 7, sum = 0;
    for (size_t i = 0; i < N; i++) a[i] = (digit)random_next(&seed), b[i] = (digit)random_next(&seed);
    for (int i = 0; i < ROUNDS; i++) factor(a, b, to, N, (unsigned)(random_next(&seed) % 6), &seed);
    for (size_t i = 0; i < N; i++) sum += to[i];
    return sum;
}

/* --- covers --- */

struct set {
    struct set *next;
    uint64_t bits[3];
};

static NOINLINE struct set *set_new(struct set *next, uint64_t bits) {
    struct set *s = must(malloc(sizeof *s));
    *s = (struct set){next, {bits, ~bits, bits * 3}};
    return s;
}

static NOINLINE uint64_t intersect(struct set *cover, unsigned depth, uint64_t seed);

static NOINLINE uint64_t split(struct set *cover, unsigned depth, uint64_t seed) {
    struct set *left = set_new(cover, seed), *right = set_new(left, seed >> 7);
    uint64_t sum = 0;
    const struct set *end = seed % 5 == 0 && depth > 2 ? cover : left;
    for (struct set *s = right; s != end; s = s->next) sum += intersect(s, --depth, seed += s->bits[1]);
    for (const struct set *s = right; s != cover; s = s->next) sum += s->bits[0] ^ s->bits[2];
    free(right);
    free(left);
    return sum;
}

static NOINLINE uint64_t intersect(struct set *cover, unsigned depth, uint64_t seed) {
    uint64_t *column = must(malloc(8 + seed % 12 * 8)), sum = cover->bits[1];
    column[0] = seed;
    if (depth > 1) sum += split(cover, depth - 1, random_next(&seed));
    sum += column[0];
    free(column);
    return sum;
}

static uint64_t covers(void) {
    enum { ROUNDS = 6000 };
    uint64_t seed = 11, sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct set *first = set_new(NULL, random_next(&seed));
        sum += intersect(first, 10 + (unsigned)(random_next(&seed) % 51), random_next(&seed));
        free(first);
    }
    return sum;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "numbers")) return finish(numbers());
    if (!strcmp(what, "covers")) return finish(covers());
    fprintf(stderr, "usage: calltree numbers|covers\n");
    return 2;
}
