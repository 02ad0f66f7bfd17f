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
    gate->doubts = gate->doubts || result == GATE_INCONCLUSIVE;
    if (gate->result != GATE_FAILED) gate->result = result;
}

static void larger(uint64_t *a, uint64_t b) {
    if (b > *a) *a = b;
}

/* A result without a reason is one that the policy has changed. */
void gate_join(struct gate *all, const struct gate *one, size_t run) {
    for (size_t i = 0; i < one->reason_count; i++) {
        char *reason = run ? memory_format("run %zu: %s", run, one->reasons[i]) : memory_format("%s", one->reasons[i]);
        gate_add(all, i < one->failures ? GATE_FAILED : GATE_INCONCLUSIVE, reason);
    }
    if (one->failures && one->result != GATE_FAILED) all->result = one->doubts ? GATE_INCONCLUSIVE : GATE_PASSED;
    larger(&all->leaked_blocks, one->leaked_blocks);
    larger(&all->leaked_bytes, one->leaked_bytes);
    larger(&all->possible_blocks, one->possible_blocks);
    larger(&all->possible_bytes, one->possible_bytes);
    larger(&all->in_use_blocks, one->in_use_blocks);
    larger(&all->in_use_bytes, one->in_use_bytes);
    larger(&all->suppressed_blocks, one->suppressed_blocks);
    larger(&all->suppressed_bytes, one->suppressed_bytes);
    larger(&all->borne_blocks, one->borne_blocks);
    larger(&all->borne_bytes, one->borne_bytes);
    all->processes += one->processes;
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
    if (p->reason == DUMP_LEFT && p->killed_by) return "left no dump: a signal killed it";
    if (p->reason == DUMP_LEFT) return "left no dump: it was killed, or ended past its exit hooks";
    if (p->reason == DUMP_AT_EXEC)
        return has_successor(merged, p) ? NULL
                                        : "went on without weir after an exec (a static program, or no LD_PRELOAD)";
    if (p->reason != DUMP_AT_EXIT && p->reason != DUMP_AT_TERM)
        return "has no dump of its end: it was killed, or ended past its exit hooks";
    if (p->level == DUMP_DISABLED) return "ran at level disabled: there would be no names";
    if (!dump_is_judged(dump)) return "was not searched for leaks (WEIR_LEAKS=exit)";
    if (stat_of(dump, STAT_SCAN_NOT_HELD)) return "has threads that could not be held (they block the dump signal)";
    return NULL;
}

static uint64_t less(uint64_t all, uint64_t some) {
    return all > some ? all - some : 0;
}

/* Of a process as a whole, by the rule for its program. */
static void check_limit(struct gate *gate, const struct dump *dump, const struct rule *rule, uint32_t id,
                        const char *what) {
    uint64_t value = stat_of(dump, id);
    if (value <= rule->most) return;
    char *name = name_of(dump), *where = rule->program ? memory_format(" (%s)", rule->place) : memory_text("", 0);
    gate_add(gate, GATE_FAILED,
             memory_format("%s: %s %s, allowed %s%s", name, what, units_bytes(value), units_bytes(rule->most), where));
    free(where);
    free(name);
}

static void add_to_rule(struct rule *rule, uint64_t blocks, uint64_t bytes) {
    rule->blocks += blocks;
    rule->bytes += bytes;
}

static void count(struct gate *gate, const struct dump *dump, struct rule *leaked, struct rule *possible) {
    add_to_rule(leaked, stat_of(dump, STAT_LEAKED_COUNT) + stat_of(dump, STAT_INDIRECT_COUNT),
                stat_of(dump, STAT_LEAKED_BYTES) + stat_of(dump, STAT_INDIRECT_BYTES));
    add_to_rule(possible, stat_of(dump, STAT_POSSIBLE_COUNT), stat_of(dump, STAT_POSSIBLE_BYTES));
    gate->processes++;
    gate->in_use_blocks += stat_of(dump, STAT_REACHED_COUNT);
    gate->in_use_bytes += stat_of(dump, STAT_REACHED_BYTES);
}

/* What was lost on the way is not known to be free of leaks, nor whose it is. */
static void check_losses(struct gate *gate, const struct dump *dump) {
    static const struct {
        uint32_t id;
        const char *words;
    } losses[] = {{STAT_STACKS_FULL, "stacks found no memory: of some blocks nobody knows who made them"},
                  {STAT_MODULES_LOST, "modules found no room in the table: some blocks have no names"},
                  {STAT_POOL_LOST, "parts of blocks could not be noted"}};
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        uint64_t value = stat_of(dump, losses[i].id);
        if (!value) continue;
        char *name = name_of(dump);
        gate_add(gate, GATE_INCONCLUSIVE, memory_format("%s: %s %s", name, units_count(value), losses[i].words));
        free(name);
    }
}

/* False: it is not seen to its end. */
static bool judge_process(struct gate *gate, const struct merged *merged, const struct dump *dump,
                          struct rules *rules) {
    const char *why = why_unseen(merged, dump);
    if (why) {
        char *name = name_of(dump);
        gate_add(gate, GATE_INCONCLUSIVE, memory_format("%s %s", name, why));
        free(name);
        return false;
    }
    char *program = escape_text(dump_text(dump, dump->process.name));
    check_limit(gate, dump, rules_for_program(rules, RULE_PEAK, program), STAT_DIRECT_PEAK, "peak");
    bool ends = dump->process.reason != DUMP_AT_EXEC;
    if (ends) {
        check_limit(gate, dump, rules_for_program(rules, RULE_LIVE, program), STAT_DIRECT_CAPACITY, "live at the end");
        count(gate, dump, rules_for_program(rules, RULE_LEAKED, program),
              rules_for_program(rules, RULE_POSSIBLE, program));
        check_losses(gate, dump);
    }
    free(program);
    return ends;
}

static void take_off(struct rule *rule, const struct site_part *part) {
    rule->blocks = less(rule->blocks, part->blocks);
    rule->bytes = less(rule->bytes, part->bytes);
    rule->aside += part->bytes;
}

/* The sums are over all blocks, what is suppressed is known of those that were tracked. `seen`: by part. */
static void set_aside(struct rules *rules, const struct merged *merged, const bool *seen) {
    for (size_t i = 0; i < merged->site_count; i++) {
        const struct merged_site *site = merged->sites[i];
        enum rule_kind kind = site->verdict == DUMP_POSSIBLE ? RULE_POSSIBLE : RULE_LEAKED;
        for (uint32_t j = 0; site->suppressed && j < site->parts; j++) {
            const struct site_part *part = &site->by_part[j];
            const struct dump *dump = merged->parts[part->part].dump;
            if (!seen[part->part]) continue;
            char *program = escape_text(dump_text(dump, dump->process.name));
            take_off(rules_for_program(rules, kind, program), part);
            free(program);
        }
    }
}

/* Without findings each rule is about all. */
static void count_left(struct rules *rules, const struct merged *merged) {
    for (size_t i = 0; i < rules->count; i++)
        rules->list[i].left = rules->list[i].kind == RULE_POSSIBLE ? merged->possible_sites : merged->leaked_sites;
}

static void add_up(struct gate *gate, const struct rules *rules, const struct suppressions *known) {
    for (size_t i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->list[i];
        if (rule->kind == RULE_LEAKED) gate->leaked_blocks += rule->blocks;
        if (rule->kind == RULE_LEAKED) gate->leaked_bytes += rule->bytes;
        if (rule->kind == RULE_POSSIBLE) gate->possible_blocks += rule->blocks;
        if (rule->kind == RULE_POSSIBLE) gate->possible_bytes += rule->bytes;
    }
    gate->suppressed_blocks = known->leaked_blocks + known->possible_blocks;
    gate->suppressed_bytes = known->leaked_bytes + known->possible_bytes;
}

void gate_judge(struct gate *gate, const struct merged *merged, struct rules *rules, const struct suppressions *known,
                struct findings *findings) {
    bool *seen = memory_get(merged->part_count, sizeof *seen);
    rules_reset(rules);
    for (size_t i = 0; i < merged->part_count; i++)
        seen[i] = !merged->parts[i].older && judge_process(gate, merged, merged->parts[i].dump, rules);
    set_aside(rules, merged, seen);
    free(seen);
    if (findings)
        gate_sort_out(gate, rules, findings);
    else
        count_left(rules, merged);
    add_up(gate, rules, known);
    gate_check(gate, rules, merged->sampled, !findings || !findings->unclear);
    if (findings) gate_blame(rules, findings);
    for (size_t i = 0; i < merged->reason_count; i++)
        gate_add(gate, GATE_INCONCLUSIVE, memory_format("%s", merged->reasons[i]));
    if (!gate->processes && !merged->part_count) gate_add(gate, GATE_INCONCLUSIVE, memory_format("there is no dump"));
    if (gate->processes < rules->processes)
        gate_add(gate, GATE_INCONCLUSIVE,
                 memory_format("%zu processes were seen to their end, at least %zu were to be", gate->processes,
                               rules->processes));
}
