/* The verdict of `weir gate` over a set of dumps: passed, failed, or inconclusive. It fails closed: what could not be
 * looked at is never passed. */
#ifndef WEIR_GATE_H
#define WEIR_GATE_H

#include <stdint.h>

#include "reporter/view/view.h"

#define GATE_NO_LIMIT UINT64_MAX

struct gate_rules {
    uint64_t max_leaked;   /* bytes in all that nothing leads to, or only what is leaked; 0 by default */
    uint64_t max_possible; /* the same of what may be leaked */
    uint64_t max_live;     /* of any one process at its end: bytes of live blocks */
    uint64_t max_peak;     /* of any one process: bytes charged at its peak */
    size_t processes;      /* that must have been seen at least */
};

enum gate_result { GATE_PASSED, GATE_FAILED, GATE_INCONCLUSIVE };

struct gate {
    enum gate_result result;
    char **reasons; /* why it failed, or why it is inconclusive; what failed comes first */
    size_t reason_count, reason_capacity, failures; /* so many of them are failures */
    uint64_t leaked_blocks, leaked_bytes, possible_blocks, possible_bytes, in_use_blocks, in_use_bytes;
    uint64_t suppressed_blocks, suppressed_bytes;
    size_t processes; /* that were judged */
};

/* Of built dumps, to which the suppressions were applied. */
void gate_judge(struct gate *gate, const struct merged *merged, const struct gate_rules *rules,
                const struct suppressions *known);
void gate_add(struct gate *gate, enum gate_result result, char *reason); /* takes it */
void gate_free(struct gate *gate);

#endif
