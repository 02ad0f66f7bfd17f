/* What each rule is about, by findings, and what is more than it allows; for gate.c. */
#include <stdlib.h>

#include "reporter/gate.h"
#include "reporter/load/memory.h"
#include "reporter/view/units.h"

static uint64_t less(uint64_t all, uint64_t some) {
    return all > some ? all - some : 0;
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static void move(struct rule *from, struct rule *to, uint64_t blocks, uint64_t bytes) {
    from->blocks = less(from->blocks, blocks);
    from->bytes = less(from->bytes, bytes);
    from->aside += bytes;
    if (!to) return;
    to->blocks += blocks;
    to->bytes += bytes;
    to->left++;
}

/* Without a name nobody knows whether a pattern is meant. */
static bool is_unclear(const struct rules *rules, enum rule_kind kind, const struct finding *finding) {
    return !finding->identity.known && rules_have_sites(rules, kind);
}

static void say_unclear(struct gate *gate, const struct finding *finding, enum rule_kind kind) {
    gate_add(gate, GATE_INCONCLUSIVE,
             memory_format("%s has no name, so that nobody knows whether %s with a site is about it",
                           finding->identity.text, rule_words[kind]));
}

/* What the baseline bears counts for no rule, and what is more than that counts as a block at least. */
static void sort_leak(struct gate *gate, struct rules *rules, const struct finding *finding) {
    enum rule_kind kind = finding->verdict == DUMP_POSSIBLE ? RULE_POSSIBLE : RULE_LEAKED;
    uint64_t borne_blocks = finding->borne_blocks, borne_bytes = finding->borne_bytes;
    bool more = finding->bytes > borne_bytes || finding->blocks > borne_blocks, unclear = false;
    if (more && borne_blocks && borne_blocks == finding->blocks) borne_blocks--;
    for (size_t i = 0; i < finding->part_count; i++) {
        const struct finding_part *part = &finding->parts[i];
        struct rule *whole = rules_for_program(rules, kind, part->program);
        struct rule *own = rules_for_site(rules, kind, &finding->identity, part->program);
        uint64_t blocks = least(borne_blocks, part->blocks), bytes = least(borne_bytes, part->bytes);
        borne_blocks -= blocks;
        borne_bytes -= bytes;
        if (blocks || bytes) move(whole, NULL, blocks, bytes);
        blocks = part->blocks - blocks;
        bytes = part->bytes - bytes;
        bool nameless = !own && is_unclear(rules, kind, finding);
        unclear = unclear || (nameless && more);
        if (finding->unclear) own = NULL;
        if (own || nameless || finding->unclear)
            move(whole, own, blocks, bytes);
        else if (blocks || bytes)
            whole->left++;
    }
    if (unclear && rules_limit(rules, kind)) say_unclear(gate, finding, kind);
    if (kind == RULE_LEAKED) {
        gate->borne_blocks += finding->borne_blocks;
        gate->borne_bytes += finding->borne_bytes;
    }
}

static void sort_new(struct rules *rules, const struct finding *finding) {
    const char *program = finding->part_count ? finding->parts[0].program : "";
    struct rule *rule = rules_for_site(rules, RULE_NEW_SITES, &finding->identity, program);
    if (!rule) rule = rules_for_program(rules, RULE_NEW_SITES, program);
    rule->sites++;
}

/* Sites that have no name may be meant by any: `aside`. */
static void sort_size(struct rules *rules, enum rule_kind kind, const struct finding *finding) {
    for (size_t i = 0; i < finding->part_count; i++) {
        struct rule *rule = rules_for_site(rules, kind, &finding->identity, finding->parts[i].program);
        if (rule) rule->bytes += finding->parts[i].bytes;
        for (size_t j = 0; !rule && !finding->identity.known && j < rules->count; j++)
            if (rules->list[j].kind == kind && rules->list[j].site) rules->list[j].aside += finding->parts[i].bytes;
    }
}

static void sort_peak(struct rules *rules, const struct finding *finding) {
    uint64_t bytes = units_whole(finding->peak_bytes);
    struct rule *rule = rules_for_site(rules, RULE_PEAK, &finding->identity, "");
    if (rule) rule->bytes += bytes;
    for (size_t j = 0; !rule && !finding->identity.known && j < rules->count; j++)
        if (rules->list[j].kind == RULE_PEAK && rules->list[j].site) rules->list[j].aside += bytes;
}

void gate_sort_out(struct gate *gate, struct rules *rules, const struct findings *findings) {
    bool live = rules_have_sites(rules, RULE_LIVE), peak = rules_have_sites(rules, RULE_PEAK);
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = findings->list[i];
        if (finding->verdict != DUMP_IN_USE) sort_leak(gate, rules, finding);
        if (finding->verdict == DUMP_LEAKED && finding->is_new && !finding->unclear) sort_new(rules, finding);
        if (live) sort_size(rules, RULE_LIVE, finding);
        if (peak) sort_peak(rules, finding);
    }
}

/* --- limits --- */

/* " at sites json_*, allowed 4.0 KiB (weir.rules:12)", as far as there is anything to say. */
static char *terms_of(const struct rule *rule) {
    char *text = memory_text("", 0);
    if (rule->program) text = memory_append(memory_append(text, " by "), rule->program);
    if (rule->site) text = memory_append(memory_append(text, " at "), rule->site);
    const char *most = rule->kind == RULE_NEW_SITES ? units_count(rule->most) : units_bytes(rule->most);
    if (rule->most || rule->kind == RULE_NEW_SITES) text = memory_append(memory_append(text, ", allowed "), most);
    if (!rule->program && !rule->site) return text;
    char *whole = memory_format("%s (%s)", text, rule->place);
    free(text);
    return whole;
}

static void check_sum(struct gate *gate, const struct rule *rule, bool sampled) {
    /* Where only some were tracked, and none of them is left, the rest may be anybody's. */
    if (sampled && rule->aside && !rule->left) {
        gate_add(gate, GATE_INCONCLUSIVE,
                 memory_format("%s of what leaked was not sampled, and may be suppressed or not (--level=paranoid)",
                               units_bytes(rule->bytes)));
        return;
    }
    char *terms = terms_of(rule);
    gate_add(gate, GATE_FAILED,
             memory_format("%s %s in %s %s%s", rule->kind == RULE_LEAKED ? "leaked" : "maybe leaked",
                           units_bytes(rule->bytes), units_count(rule->blocks), rule->blocks == 1 ? "block" : "blocks",
                           terms));
    free(terms);
}

static void check_size(struct gate *gate, const struct rule *rule) {
    const char *what = rule->kind == RULE_LIVE ? "live at the end" : "live at the peak";
    char *terms = terms_of(rule);
    if (rule->bytes > rule->most)
        gate_add(gate, GATE_FAILED, memory_format("%s: %s%s", what, units_bytes(rule->bytes), terms));
    else
        gate_add(gate, GATE_INCONCLUSIVE,
                 memory_format("%s: %s, and %s of sites without a name%s", what, units_bytes(rule->bytes),
                               units_bytes(rule->aside), terms));
    free(terms);
}

static void check(struct gate *gate, const struct rule *rule, bool sampled) {
    char *terms = NULL;
    switch (rule->kind) {
    case RULE_LEAKED:
    case RULE_POSSIBLE:
        if (rule->bytes > rule->most) check_sum(gate, rule, sampled);
        break;
    case RULE_NEW_SITES:
        if (rule->sites <= rule->most) break;
        terms = terms_of(rule);
        gate_add(gate, GATE_FAILED,
                 memory_format("%s %s leaked that the baseline does not have%s", units_count(rule->sites),
                               rule->sites == 1 ? "site" : "sites", terms));
        break;
    case RULE_LIVE:
    case RULE_PEAK:
        if (rule->site && rule->bytes + rule->aside > rule->most) check_size(gate, rule);
        break;
    default:
        break; /* growth is a matter of several runs */
    }
    free(terms);
}

void gate_check(struct gate *gate, struct rules *rules, bool sampled, bool leaks) {
    for (size_t i = 0; i < rules->count; i++)
        if (rules->list[i].most != RULE_NO_LIMIT && (leaks || rules->list[i].kind >= RULE_LIVE))
            check(gate, &rules->list[i], sampled);
}

static bool is_to_blame(struct rules *rules, const struct finding *finding) {
    enum rule_kind kind = finding->verdict == DUMP_POSSIBLE ? RULE_POSSIBLE : RULE_LEAKED;
    if (finding->unclear || (finding->blocks <= finding->borne_blocks && finding->bytes <= finding->borne_bytes))
        return false;
    for (size_t i = 0; i < finding->part_count; i++) {
        const struct rule *rule = rules_for_site(rules, kind, &finding->identity, finding->parts[i].program);
        if (!rule) rule = rules_for_program(rules, kind, finding->parts[i].program);
        if (rule->bytes > rule->most) return true;
    }
    return false;
}

void gate_blame(struct rules *rules, struct findings *findings) {
    for (size_t i = 0; i < findings->count; i++)
        if (findings->list[i]->verdict != DUMP_IN_USE) findings->list[i]->fails = is_to_blame(rules, findings->list[i]);
}
