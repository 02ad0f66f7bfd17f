/* What blocks that were drawn tell of all there are. A block that was tracked with probability p stands for 1 / p:
 * itself, and 1 / p - 1 that were not seen. */
#ifndef WEIR_LOAD_ESTIMATE_H
#define WEIR_LOAD_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

/* Sums over blocks, of which each has a value v (1, or its bytes), and was tracked with p = 1 / w. */
struct samples {
    double seen;     /* of v */
    double unseen;   /* of v (w - 1) */
    double variance; /* of v^2 w (w - 1): of the estimate */
    double reach;    /* the largest v / -ln(1 - p): what goes unseen in the mean before one is seen */
};

/* How blocks are drawn as of now: of such a one, of n bytes, p = 1 - exp(-(n + extra) / interval). Of intervals that
 * were longer once there are samples, and of the last one perhaps not yet. 0: all are tracked. */
struct drawing {
    double interval, extra; /* bytes */
};

/* A block of n bytes, of which `value` is counted. The weight is 1 and more, and finite. */
void samples_add(struct samples *samples, const struct drawing *drawing, double n, double value, double weight);
/* So many of one value and weight. */
struct samples samples_alike(uint64_t count, double value, double weight);
void samples_join(struct samples *samples, const struct samples *others);

/* Of blocks that come by chance, of which also those that were tracked for certain are but samples: the range is that
 * of how many are to be expected in such a time. */
void samples_add_arrival(struct samples *samples, double value, double weight);

/* Takes off again what was added to them. False: they do not have it, and are what they were. */
bool samples_take_off(struct samples *samples, const struct samples *part);

/* With its range: in 95 of 100 cases the truth lies in it. */
struct estimate {
    double value, low, high;
};
struct estimate samples_estimate(const struct samples *samples);

/* Of `now` less `before`, which were drawn by themselves. Where 0 is outside of the range, it is beyond chance. */
struct estimate samples_difference(const struct samples *before, const struct samples *now);
static inline bool samples_are_exact(const struct samples *samples) {
    return samples->reach <= 0;
}

/* The x below which a gamma distribution of that shape, and of scale 1, lies with probability p. */
double gamma_quantile(double shape, double p);

#endif
