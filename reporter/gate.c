/* See gate.h. */
#include "reporter/gate.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/view/escape.h"
#include "reporter/view/units.h"

/* What failed is worse than what could not be seen: both are told, the exit status is the former's. */
void gate_add(struct gate *gate, enum gate_result result, char *reason) {
    gate->reasons = memory_more(gate->reasons, &gate->reason_capacity, gate->reason_count + 1, sizeof *gate->reasons);
    size_t at = result == GATE_FAILED ? gate->failures++ : gate->reason_count;
    memmove(gate->reasons + at + 1, gate->reasons + at, (gate->reason_count++ - at) * sizeof *gate->reasons);
    gate->reasons[at] = reason;
    if (gate->result != GATE_FAILED) gate->result = result;
}

void gate_free(struct gate *gate) {
    for (size_t i = 0; i < gate->reason_count; i++) free(gate->reasons[i]);
    free(gate->reasons);
}

static uint64_t stat_of(const struct dump *dump, uint32_t id) {
    uint64_t value = 0;
    return dump_stat(dump, id, &value) ? value : 0;
}

static char *name_of(const struct dump *dump) {
    char *name = escape_fit(escape_text(dump_text(dump, dump->process.name)), 40, false);
    char *full = memory_format("%s[%u]", name, dump->process.pid);
    free(name);
    return full;
}

/* After an exec the same process has another program; which leaves a dump of its own, if it runs under weir. */
static bool has_successor(const struct merged *merged, const struct dump_process *before) {
    for (size_t i = 0; i < merged->part_count; i++) {
        const struct dump_process *p = &merged->parts[i].dump->process;
        if (p->pid == before->pid && p->start_realtime > before->start_realtime) return true;
    }
    return false;
}

/* Why a process says nothing about leaks, or NULL. */
static const char *why_unseen(const struct merged *merged, const struct dump *dump) {
    const struct dump_process *p = &dump->process;
    if (p->reason == DUMP_LEFT) return "left no dump: it was killed, or ended past its exit hooks";
    if (p->reason == DUMP_AT_EXEC)
        return has_successor(merged, p) ? NULL
                                        : "went on without weir after an exec (a static program, or no LD_PRELOAD)";
    if (p->reason != DUMP_AT_EXIT) return "has no dump of its end: it was killed, or ended past its exit hooks";
    if (p->level == DUMP_DISABLED) return "ran at level disabled: there would be no names";
    if (!dump_is_judged(dump)) return "was not searched for leaks (WEIR_LEAKS=exit)";
    if (stat_of(dump, STAT_SCAN_NOT_HELD)) return "has threads that could not be held (they block the dump signal)";
    return NULL;
}

static void check_limit(struct gate *gate, const struct dump *dump, uint32_t id, uint64_t limit, const char *what) {
    uint64_t value = stat_of(dump, id);
    if (limit == GATE_NO_LIMIT || value <= limit) return;
    char *name = name_of(dump);
    gate_add(gate, GATE_FAILED,
             memory_format("%s: %s %s, allowed %s", name, what, units_bytes(value), units_bytes(limit)));
    free(name);
}

static void judge_process(struct gate *gate, const struct merged *merged, const struct dump *dump,
                          const struct gate_rules *rules) {
    const char *why = why_unseen(merged, dump);
    if (why) {
        char *name = name_of(dump);
        gate_add(gate, GATE_INCONCLUSIVE, memory_format("%s %s", name, why));
        free(name);
        return;
    }
    check_limit(gate, dump, STAT_DIRECT_PEAK, rules->max_peak, "peak");
    if (dump->process.reason == DUMP_AT_EXEC) return;
    check_limit(gate, dump, STAT_DIRECT_CAPACITY, rules->max_live, "live at the end");
    gate->processes++;
    gate->leaked_blocks += stat_of(dump, STAT_LEAKED_COUNT) + stat_of(dump, STAT_INDIRECT_COUNT);
    gate->leaked_bytes += stat_of(dump, STAT_LEAKED_BYTES) + stat_of(dump, STAT_INDIRECT_BYTES);
    gate->possible_blocks += stat_of(dump, STAT_POSSIBLE_COUNT);
    gate->possible_bytes += stat_of(dump, STAT_POSSIBLE_BYTES);
    gate->in_use_blocks += stat_of(dump, STAT_REACHED_COUNT);
    gate->in_use_bytes += stat_of(dump, STAT_REACHED_BYTES);
}

static void check_sum(struct gate *gate, const char *what, uint64_t blocks, uint64_t bytes, uint64_t limit) {
    if (limit == GATE_NO_LIMIT || bytes <= limit) return;
    char *allowed = limit ? memory_format(", allowed %s", units_bytes(limit)) : memory_text("", 0);
    gate_add(gate, GATE_FAILED,
             memory_format("%s %s in %s %s%s", what, units_bytes(bytes), units_count(blocks),
                           blocks == 1 ? "block" : "blocks", allowed));
    free(allowed);
}

static uint64_t less(uint64_t all, uint64_t some) {
    return all > some ? all - some : 0;
}

/* The sums are over all blocks, what is suppressed is known of those that were tracked. Where only some were, and none
 * of them is left, the rest may be anybody's: more than is allowed is then neither passed nor failed. False: that was
 * said. */
static bool set_aside(struct gate *gate, const struct merged *merged, const struct gate_rules *rules,
                      const struct suppressions *known) {
    gate->suppressed_blocks = known->leaked_blocks + known->possible_blocks;
    gate->suppressed_bytes = known->leaked_bytes + known->possible_bytes;
    gate->leaked_blocks = less(gate->leaked_blocks, known->leaked_blocks);
    gate->leaked_bytes = less(gate->leaked_bytes, known->leaked_bytes);
    gate->possible_blocks = less(gate->possible_blocks, known->possible_blocks);
    gate->possible_bytes = less(gate->possible_bytes, known->possible_bytes);
    bool unclear = (known->leaked_blocks && !merged->leaked_sites && gate->leaked_bytes > rules->max_leaked) ||
                   (known->possible_blocks && !merged->possible_sites && gate->possible_bytes > rules->max_possible);
    if (!merged->sampled || !unclear) return true;
    gate_add(gate, GATE_INCONCLUSIVE,
             memory_format("%s of what leaked was not sampled, and may be suppressed or not (--level=paranoid)",
                           units_bytes(gate->leaked_bytes + gate->possible_bytes)));
    return false;
}

void gate_judge(struct gate *gate, const struct merged *merged, const struct gate_rules *rules,
                const struct suppressions *known) {
    for (size_t i = 0; i < merged->part_count; i++)
        if (!merged->parts[i].older) judge_process(gate, merged, merged->parts[i].dump, rules);
    if (set_aside(gate, merged, rules, known)) {
        check_sum(gate, "leaked", gate->leaked_blocks, gate->leaked_bytes, rules->max_leaked);
        check_sum(gate, "maybe leaked", gate->possible_blocks, gate->possible_bytes, rules->max_possible);
    }
    for (size_t i = 0; i < merged->reason_count; i++)
        gate_add(gate, GATE_INCONCLUSIVE, memory_format("%s", merged->reasons[i]));
    if (!gate->processes && !merged->part_count) gate_add(gate, GATE_INCONCLUSIVE, memory_format("there is no dump"));
    if (gate->processes < rules->processes)
        gate_add(gate, GATE_INCONCLUSIVE,
                 memory_format("%zu processes were seen to their end, at least %zu were to be", gate->processes,
                               rules->processes));
}
