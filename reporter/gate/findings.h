/* What one run has, by identity (identity.h): leaked and maybe leaked blocks, and where that is asked for those in use;
 * with what each program has of it. What a list suppresses is none. The gate's rules, baselines and repeats are about
 * these, not about sites: a site is a stack, and ends with the build. */
#ifndef WEIR_GATE_FINDINGS_H
#define WEIR_GATE_FINDINGS_H

#include "reporter/gate/identity.h"

struct finding_part {    /* the processes of one program together */
    const char *program; /* the findings' */
    uint64_t blocks, bytes;
};

struct finding {
    struct identity identity;
    enum dump_verdict verdict;          /* LEAKED, which stands for INDIRECT too, POSSIBLE, or IN_USE for all else */
    bool is_new;                        /* the baseline does not bear any of it */
    bool unclear;                       /* the baseline may bear it, and nobody knows: it counts for no rule */
    bool fails;                         /* it is of what is more than a rule allows; gate_judge's */
    uint64_t blocks, bytes;             /* that were tracked */
    uint64_t borne_blocks, borne_bytes; /* of those, by the baseline */
    struct samples block_samples, byte_samples;
    double peak_bytes; /* live when the process had most live; an estimate where blocks were drawn */
    struct finding_part *parts;
    size_t part_count, part_capacity;
    struct merged_site **sites; /* of the merged dumps, for as long as these are there */
    size_t site_count, site_capacity;
    char *key;
    UT_hash_handle hh;
};

struct findings {
    struct finding **list; /* what is worse comes first, then what has most bytes */
    size_t count, capacity;
    struct finding *table;
    char **programs; /* harmless names, by part of the merged dumps */
    size_t program_count;
    bool sampled;
    bool unclear; /* no leak can be compared with the baseline */
};

/* Of built dumps, to which suppressions were applied. `all`: also what is neither leaked nor may be. */
void findings_take(struct findings *findings, struct merged *merged, struct symbols *symbols, bool all);
void findings_forget_sites(struct findings *findings); /* before the merged dumps go */
void findings_free(struct findings *findings);

/* So much it is at least, where blocks were drawn; else so much it is. */
uint64_t finding_blocks(const struct finding *finding);
uint64_t finding_bytes(const struct finding *finding);

/* What the baseline bears is shown no more. */
void findings_hide_borne(const struct findings *findings, struct merged *merged);

#endif
