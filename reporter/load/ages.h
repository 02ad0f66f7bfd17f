/* How old what is live is, and whether that tells of growth. One dump knows nothing of what was there before it; but of
 * what a site has made in each quarter of the process's time it knows what is still there. Where that is about as much
 * of each quarter, beyond chance, it grows: a cache that turns over lacks the older ones, what was made at start the
 * newer ones. */
#ifndef WEIR_LOAD_AGES_H
#define WEIR_LOAD_AGES_H

#include "reporter/load/estimate.h"
#include "shim/box/format.h"

#define AGES_QUARTERS 4
#define AGES_LEAST    5000000000u /* ns of a time that is long enough to speak of growth */

struct ages {
    double bytes[DUMP_LIFETIMES];           /* estimated, by age: as struct dump_total has lifetimes */
    struct samples quarters[AGES_QUARTERS]; /* bytes a minute; their sum is what the site grows by */
};

/* From `begin` to `now`. */
struct ages_time {
    uint64_t begin, now;
};

void ages_add(struct ages *ages, const struct ages_time *time, uint64_t made, double bytes, double weight);
void ages_join(struct ages *ages, const struct ages *others);

/* Bytes a minute, in the mean since the process began, with the range that an even stream of blocks has. False: what is
 * left of some quarter may be less than half of the mean of all, at 95 %, or nothing is known. */
bool ages_growing(const struct ages *ages, struct estimate *a_minute);

#endif
