/* See estimate.h. The sums are those of the Horvitz-Thompson estimator.
 *
 * The range is Fay and Feuer's (Statistics in Medicine 16, 1997) for weighted sums of Poisson counts, by a gamma
 * distribution of the same mean and variance: for equal weights and a small p it is the exact one of Garwood (1936),
 * for 1 sample 0.025 to 5.57 times what it stands for. It is laid around what was not seen, which vanishes with 1 - p.
 * The largest weight, which its upper end asks for, is that of any block, whether or not one like it was seen. */
#include "reporter/load/estimate.h"

#include <math.h>

#define TAIL 0.025 /* on either side */

void samples_add(struct samples *samples, const struct drawing *drawing, double n, double value, double weight) {
    samples->seen += value;
    if (drawing->interval > 0)
        samples->reach = fmax(samples->reach, value * drawing->interval / fmax(n + drawing->extra, 1));
    if (!(weight > 1)) return;
    samples->unseen += value * (weight - 1);
    samples->variance += value * value * weight * (weight - 1);
    samples->reach = fmax(samples->reach, value / -log1p(-1 / weight));
}

struct samples samples_alike(uint64_t count, double value, double weight) {
    static const struct drawing none;
    struct samples one = {0};
    samples_add(&one, &none, 0, value, weight);
    double n = (double)count;
    return (struct samples){n * one.seen, n * one.unseen, n * one.variance, one.reach};
}

void samples_join(struct samples *samples, const struct samples *others) {
    samples->seen += others->seen;
    samples->unseen += others->unseen;
    samples->variance += others->variance;
    samples->reach = fmax(samples->reach, others->reach);
}

void samples_add_arrival(struct samples *samples, double value, double weight) {
    double each = value * fmax(weight, 1);
    samples->unseen += each;
    samples->variance += each * each;
    samples->reach = fmax(samples->reach, each);
}

/* What is left of a sum of many numbers is off by their rounding. */
#define ROUNDING 1e-9
static bool take_off(double *sum, double part) {
    double rest = *sum - part;
    if (rest < -ROUNDING * part) return false;
    *sum = fmax(rest, 0);
    return true;
}

bool samples_take_off(struct samples *samples, const struct samples *part) {
    struct samples rest = *samples;
    if (!take_off(&rest.seen, part->seen) || !take_off(&rest.unseen, part->unseen) ||
        !take_off(&rest.variance, part->variance))
        return false;
    if (rest.unseen <= ROUNDING * part->unseen || rest.variance <= ROUNDING * part->variance)
        rest.unseen = rest.variance = 0;
    *samples = rest;
    return true;
}

/* --- the gamma distribution --- */

#define TERMS_MAX 100000
#define CLOSE     1e-13

/* Its distribution function at x: by the series below the mean, by Lentz's continued fraction of the rest above. */
static double gamma_below(double shape, double x) {
    int sign = 0;
    if (x <= 0) return 0;
    double front = exp(shape * log(x) - x - lgamma_r(shape, &sign));
    if (x < shape + 1) {
        double term = 1 / shape, sum = term;
        for (int n = 1; n < TERMS_MAX && term > sum * CLOSE; n++) {
            term *= x / (shape + n);
            sum += term;
        }
        return front * sum;
    }
    double b = x + 1 - shape, c = 1e300, d = 1 / b, product = d;
    for (int n = 1; n < TERMS_MAX; n++) {
        double a = -n * (n - shape);
        b += 2;
        d = 1 / (a * d + b);
        c = b + a / c;
        product *= d * c;
        if (fabs(d * c - 1) < CLOSE) break;
    }
    return 1 - front * product;
}

/* Wilson and Hilferty's approximation (1931), of which the error is beyond the fourth digit for a shape from 1e5 on. */
static double roughly(double shape, double p) {
    double z = p < 0.5 ? -1.959963985 : 1.959963985, root = 1 - 1 / (9 * shape) + z / (3 * sqrt(shape));
    return shape * root * root * root;
}

double gamma_quantile(double shape, double p) {
    if (shape <= 0) return 0;
    if (shape > 1e5) return roughly(shape, p);
    double low = 0, high = shape + 1;
    while (gamma_below(shape, high) < p) high *= 2;
    for (int i = 0; i < 200 && high - low > high * 1e-12; i++) {
        double middle = (low + high) / 2;
        if (gamma_below(shape, middle) < p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

struct estimate samples_estimate(const struct samples *s) {
    struct estimate e = {s->seen + s->unseen, s->seen, s->seen};
    if (samples_are_exact(s)) return e;
    double mean = s->unseen + s->reach, variance = s->variance + s->reach * s->reach;
    if (s->unseen > 0) e.low += s->variance / s->unseen * gamma_quantile(s->unseen * s->unseen / s->variance, TAIL);
    e.high += variance / mean * gamma_quantile(mean * mean / variance, 1 - TAIL);
    return e;
}

/* From either one's range, by Zou and Donner's method (Statistics in Medicine 27, 2008): at each end of the
 * difference's lies the end of one and the opposite end of the other, and their distances add up as variances do. Of
 * what none was seen of it is not known how it was drawn: as the other was. */
struct estimate samples_difference(const struct samples *before, const struct samples *now) {
    struct samples old = *before, new = *now;
    if (old.seen <= 0) old.reach = fmax(old.reach, new.reach);
    if (new.seen <= 0) new.reach = fmax(new.reach, old.reach);
    struct estimate a = samples_estimate(&old), b = samples_estimate(&new);
    struct estimate e = {.value = b.value - a.value};
    e.low = e.value - hypot(b.value - b.low, a.high - a.value);
    e.high = e.value + hypot(b.high - b.value, a.value - a.low);
    return e;
}
