/* Several runs of one program: how often each site occurred, and what is in use of it from run to run. */
#ifndef WEIR_GATE_REPEAT_H
#define WEIR_GATE_REPEAT_H

#include <stdio.h>

#include "reporter/gate.h"

#define REPEAT_MOST 100u

struct repeat_site {
    char *site; /* an identity */
    enum dump_verdict verdict;
    size_t runs, failed_runs; /* that had it, and more of it than is borne or allowed */
    uint64_t least_blocks, most_blocks, least_bytes, most_bytes; /* of these */
    double *in_use;                                              /* bytes by run, of IN_USE; NULL for others */
    double growth;                                               /* bytes a run */
    char *key;
    UT_hash_handle hh;
};

struct repeats {
    size_t wanted, count, passed, failed, inconclusive;
    struct repeat_site **sites, *table;
    size_t site_count, site_capacity;
    double *in_use; /* bytes by run, of all */
    double **rules; /* by rule: of each growth rule the bytes by run that fell to it */
    size_t rule_count;
};

void repeats_start(struct repeats *repeats, size_t wanted, const struct rules *rules);
void repeats_free(struct repeats *repeats);

/* After each run, in order. */
void repeats_add(struct repeats *repeats, const struct gate *run, const struct findings *findings, struct rules *rules);

/* After the last one: growth is judged, which needs three runs. */
void repeats_judge(struct repeats *repeats, struct gate *gate, struct rules *rules);

/* The tables. */
void repeats_show(const struct repeats *repeats, FILE *out);

/* "failed in 7 of 10 runs: order_new shop.c 7", freed by the caller. NULL: none has failed. */
char *repeats_line(const struct repeats *repeats);
bool repeats_are_flaky(const struct repeats *repeats); /* some passed, and some failed */

/* The median of the slopes between any two points: one that lies far off changes little. */
double repeats_slope(const double *values, size_t count);

#endif
