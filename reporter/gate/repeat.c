/* See repeat.h. */
#include "reporter/gate/repeat.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/view/units.h"

#define ROWS  20
#define NAMED 5 /* sites of the last line */
#define LEAST 3 /* runs that show a slope */

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

double repeats_slope(const double *values, size_t count) {
    if (count < 2) return 0;
    double *slopes = memory_get(count * (count - 1) / 2, sizeof *slopes);
    size_t n = 0;
    for (size_t j = 1; j < count; j++)
        for (size_t i = 0; i < j; i++) slopes[n++] = (values[j] - values[i]) / (double)(j - i);
    qsort(slopes, n, sizeof *slopes, ascending);
    double median = n % 2 ? slopes[n / 2] : (slopes[n / 2 - 1] + slopes[n / 2]) / 2;
    free(slopes);
    return median;
}

void repeats_start(struct repeats *repeats, size_t wanted, const struct rules *rules) {
    *repeats = (struct repeats){.wanted = wanted, .rule_count = rules->count};
    repeats->in_use = memory_get(wanted, sizeof(double));
    repeats->rules = memory_get(rules->count, sizeof(double *));
    for (size_t i = 0; i < rules->count; i++)
        if (rules->list[i].kind == RULE_GROWTH) repeats->rules[i] = memory_get(wanted, sizeof(double));
}

void repeats_free(struct repeats *repeats) {
    HASH_CLEAR(hh, repeats->table);
    for (size_t i = 0; i < repeats->site_count; i++) {
        free(repeats->sites[i]->site);
        free(repeats->sites[i]->in_use);
        free(repeats->sites[i]->key);
        free(repeats->sites[i]);
    }
    for (size_t i = 0; i < repeats->rule_count; i++) free(repeats->rules[i]);
    free(repeats->rules);
    free(repeats->in_use);
    free(repeats->sites);
    *repeats = (struct repeats){0};
}

static struct repeat_site *site_for(struct repeats *repeats, const struct finding *finding) {
    struct repeat_site *site = NULL;
    HASH_FIND_STR(repeats->table, finding->key, site);
    if (site) return site;
    site = memory_get(1, sizeof *site);
    site->site = memory_text(finding->identity.text, strlen(finding->identity.text));
    site->key = memory_text(finding->key, strlen(finding->key));
    site->verdict = finding->verdict;
    site->least_blocks = site->least_bytes = UINT64_MAX;
    if (finding->verdict == DUMP_IN_USE) site->in_use = memory_get(repeats->wanted, sizeof(double));
    repeats->sites = memory_more(repeats->sites, &repeats->site_capacity, repeats->site_count + 1, sizeof(void *));
    repeats->sites[repeats->site_count++] = site;
    HASH_ADD_KEYPTR(hh, repeats->table, site->key, strlen(site->key), site);
    return site;
}

static void add_finding(struct repeats *repeats, const struct finding *finding) {
    if (!finding->blocks) return;
    struct repeat_site *site = site_for(repeats, finding);
    site->runs++;
    site->failed_runs += finding->fails;
    if (finding->blocks < site->least_blocks) site->least_blocks = finding->blocks;
    if (finding->blocks > site->most_blocks) site->most_blocks = finding->blocks;
    if (finding->bytes < site->least_bytes) site->least_bytes = finding->bytes;
    if (finding->bytes > site->most_bytes) site->most_bytes = finding->bytes;
    if (site->in_use) site->in_use[repeats->count] = samples_estimate(&finding->byte_samples).value;
}

/* Bytes in use of a part of it; where blocks were drawn, as many as its own stand for. */
static double share(const struct finding *finding, const struct finding_part *part) {
    double all = samples_estimate(&finding->byte_samples).value;
    return finding->bytes ? all * (double)part->bytes / (double)finding->bytes : 0;
}

static void add_growth(struct repeats *repeats, const struct finding *finding, struct rules *rules) {
    for (size_t i = 0; i < finding->part_count; i++) {
        const struct finding_part *part = &finding->parts[i];
        struct rule *rule = rules_for_site(rules, RULE_GROWTH, &finding->identity, part->program);
        if (!rule) rule = rules_for_program(rules, RULE_GROWTH, part->program);
        repeats->rules[rule - rules->list][repeats->count] += share(finding, part);
    }
}

void repeats_add(struct repeats *repeats, const struct gate *run, const struct findings *findings,
                 struct rules *rules) {
    if (run->result == GATE_PASSED) repeats->passed++;
    if (run->result == GATE_FAILED) repeats->failed++;
    if (run->result == GATE_INCONCLUSIVE) repeats->inconclusive++;
    repeats->in_use[repeats->count] = (double)run->in_use_bytes;
    for (size_t i = 0; i < findings->count; i++) {
        add_finding(repeats, findings->list[i]);
        if (findings->list[i]->verdict == DUMP_IN_USE) add_growth(repeats, findings->list[i], rules);
    }
    repeats->count++;
}

/* --- growth --- */

static void judge_rule(const struct repeats *repeats, struct gate *gate, struct rule *rule, const double *values) {
    rule->growth = repeats_slope(values, repeats->count);
    if (rule->most == RULE_NO_LIMIT) return;
    if (repeats->count < LEAST) {
        gate_add(gate, GATE_INCONCLUSIVE,
                 memory_format("max_growth is a matter of %d runs at least (--repeat)", LEAST));
        return;
    }
    if (rule->growth <= (double)rule->most) return;
    const char *of = rule->site ? rule->site : rule->program ? rule->program : "all";
    gate_add(gate, GATE_FAILED,
             memory_format("in use of %s: %s more with each run, allowed %s", of,
                           units_bytes(units_whole(rule->growth)), units_bytes(rule->most)));
}

static int compare(const void *left, const void *right) {
    const struct repeat_site *a = *(struct repeat_site *const *)left, *b = *(struct repeat_site *const *)right;
    if (a->verdict != b->verdict) return a->verdict < b->verdict ? -1 : 1;
    if (a->growth != b->growth) return a->growth > b->growth ? -1 : 1;
    if (a->runs != b->runs) return a->runs > b->runs ? -1 : 1;
    if (a->most_bytes != b->most_bytes) return a->most_bytes > b->most_bytes ? -1 : 1;
    return strcmp(a->site, b->site);
}

void repeats_judge(struct repeats *repeats, struct gate *gate, struct rules *rules) {
    for (size_t i = 0; i < rules->count; i++)
        if (repeats->rules[i]) judge_rule(repeats, gate, &rules->list[i], repeats->rules[i]);
    for (size_t i = 0; i < repeats->site_count && repeats->count >= LEAST; i++)
        if (repeats->sites[i]->in_use)
            repeats->sites[i]->growth = repeats_slope(repeats->sites[i]->in_use, repeats->count);
    if (repeats->site_count) qsort(repeats->sites, repeats->site_count, sizeof(void *), compare);
}

/* --- what is said --- */

static char *range(uint64_t least, uint64_t most, const char *(*unit)(uint64_t)) {
    return least == most ? memory_format("%s", unit(least)) : memory_format("%s .. %s", unit(least), unit(most));
}

static void show_site(const struct repeats *repeats, const struct repeat_site *site, FILE *out) {
    char *runs = memory_format("%zu of %zu", site->runs, repeats->count);
    char *blocks = range(site->least_blocks, site->most_blocks, units_count);
    char *bytes = range(site->least_bytes, site->most_bytes, units_bytes);
    (void)fprintf(out, "  %10s  %15s  %20s  %s%s%s\n", runs, blocks, bytes, site->site,
                  site->verdict == DUMP_POSSIBLE ? " (maybe)" : "",
                  site->failed_runs || site->verdict == DUMP_POSSIBLE ? "" : " (borne)");
    free(runs);
    free(blocks);
    free(bytes);
}

static void show_growth(const struct repeats *repeats, FILE *out) {
    size_t shown = 0;
    for (size_t i = 0; i < repeats->site_count && shown < ROWS; i++) {
        const struct repeat_site *site = repeats->sites[i];
        if (!site->in_use || site->growth < 1) continue;
        if (!shown++) (void)fprintf(out, "\n  %14s  %20s  IN USE\n", "A RUN", "FROM .. TO");
        char *ends = memory_format("%s .. %s", units_bytes(units_whole(site->in_use[0])),
                                   units_bytes(units_whole(site->in_use[repeats->count - 1])));
        (void)fprintf(out, "  %14s  %20s  %s\n", units_bytes(units_whole(site->growth)), ends, site->site);
        free(ends);
    }
}

void repeats_show(const struct repeats *repeats, FILE *out) {
    size_t shown = 0, leaks = 0;
    for (size_t i = 0; i < repeats->site_count; i++) leaks += !repeats->sites[i]->in_use;
    for (size_t i = 0; i < repeats->site_count && shown < ROWS; i++) {
        if (repeats->sites[i]->in_use) continue;
        if (!shown++) (void)fprintf(out, "\n  %10s  %15s  %20s  LEAKED\n", "RUNS", "BLOCKS", "BYTES");
        show_site(repeats, repeats->sites[i], out);
    }
    if (leaks > shown) (void)fprintf(out, "  and %zu more sites\n", leaks - shown);
    show_growth(repeats, out);
}

bool repeats_are_flaky(const struct repeats *repeats) {
    return repeats->failed && repeats->passed;
}

char *repeats_line(const struct repeats *repeats) {
    if (!repeats->failed) return NULL;
    char *text = memory_format("failed in %zu of %zu runs", repeats->failed, repeats->count);
    size_t named = 0;
    for (size_t i = 0; i < repeats->site_count && named < NAMED; i++) {
        const struct repeat_site *site = repeats->sites[i];
        if (site->verdict != DUMP_LEAKED || !site->failed_runs) continue;
        char *more = memory_format("%s %s %zu", named ? "," : ":", site->site, site->failed_runs);
        text = memory_append(text, more);
        free(more);
        named++;
    }
    return text;
}
