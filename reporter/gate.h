/* The verdict of `weir gate` over the dumps of one run: passed, failed, or inconclusive. It fails closed: what could
 * not be looked at is never passed. */
#ifndef WEIR_GATE_H
#define WEIR_GATE_H

#include <stdint.h>

#include "reporter/gate/baseline.h"
#include "reporter/gate/findings.h"
#include "reporter/gate/rules.h"
#include "reporter/view/view.h"

enum gate_result { GATE_PASSED, GATE_FAILED, GATE_INCONCLUSIVE };

struct gate {
    enum gate_result result;
    char **reasons; /* why it failed, or why it is inconclusive; what failed comes first */
    size_t reason_count, reason_capacity, failures; /* so many of them are failures */
    bool doubts;                                    /* not all could be seen */
    uint64_t leaked_blocks, leaked_bytes, possible_blocks, possible_bytes, in_use_blocks, in_use_bytes;
    uint64_t suppressed_blocks, suppressed_bytes;
    uint64_t borne_blocks, borne_bytes; /* by the baseline, of what is leaked */
    size_t processes;                   /* that were judged */
};

/* Of built dumps, to which the suppressions were applied. `findings` NULL: no rule and no baseline needs any. */
void gate_judge(struct gate *gate, const struct merged *merged, struct rules *rules, const struct suppressions *known,
                struct findings *findings);
void gate_add(struct gate *gate, enum gate_result result, char *reason); /* takes it */
void gate_free(struct gate *gate);

/* Adds what one of several runs has, `run` from 1; 0: it is the only one. */
void gate_join(struct gate *all, const struct gate *one, size_t run);

/* gate/limits.c: what fell to the rules, by findings, and what is more than they allow. */
void gate_sort_out(struct gate *gate, struct rules *rules, const struct findings *findings);
/* `leaks`: those of leaks, too. */
void gate_check(struct gate *gate, struct rules *rules, bool sampled, bool leaks);
void gate_blame(struct rules *rules, struct findings *findings);

#endif
