/* Two reports held against each other, by site: what grew and what shrank. */
#ifndef WEIR_LOAD_DIFF_H
#define WEIR_LOAD_DIFF_H

#include "reporter/load/merge.h"

struct diff_site {
    struct merged_site *site; /* as it is now, or was where there is nothing left of it */
    bool gone;                /* `site` is the old one's */
    struct samples bytes_before, bytes_now, blocks_before, blocks_now;
    struct samples came;   /* bytes of those of now that were made since then, in the same process */
    struct ages ages;      /* of now */
    struct estimate range; /* of `bytes` */
    double bytes, blocks;  /* by how much it grew; below 0: shrank */
    double least;          /* of `bytes`, what it grew or shrank by at least, in 95 of 100 cases; 0: it may be chance */
};

struct diff {
    struct diff_site *sites; /* grown ones first, by `least` */
    size_t count;
    size_t grown, shrunk; /* of them, beyond chance */
    double grown_bytes, shrunk_bytes;
    bool same_process, reversed; /* then also: the second is the older one */
    uint64_t apart;              /* ns between the two, of the same process; else 0 */
};

/* Once the first ones are loaded, before the second ones are. */
void diff_split(const struct merged *before);

/* Of built and sorted reports. */
void diff_make(struct diff *diff, const struct merged *before, const struct merged *now);
void diff_free(struct diff *diff);

#endif
