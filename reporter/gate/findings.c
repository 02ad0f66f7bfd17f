/* See findings.h. */
#include "reporter/gate/findings.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/load/sums.h"
#include "reporter/view/escape.h"

static enum dump_verdict verdict_of(const struct merged_site *site) {
    if (site->verdict == DUMP_LEAKED || site->verdict == DUMP_INDIRECT) return DUMP_LEAKED;
    return site->verdict == DUMP_POSSIBLE ? DUMP_POSSIBLE : DUMP_IN_USE;
}

static bool is_wanted(const struct merged_site *site, bool all) {
    if (site->suppressed) return false;
    if (verdict_of(site) != DUMP_IN_USE) return site->blocks > 0;
    return all && (site->blocks > 0 || site->ever.peak_bytes > 0);
}

/* Names of most frames that will be asked for, at once: what names a site is rarely further out. */
#define LOOKED_UP 4
static uint32_t looked_up(const struct merged_site *site) {
    return site->frame_count < LOOKED_UP ? site->frame_count : LOOKED_UP;
}

static void look_up(const struct merged *merged, struct symbols *symbols, bool all) {
    struct merged_frame *frames = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < merged->site_count; i++) {
        const struct merged_site *site = merged->sites[i];
        if (!is_wanted(site, all)) continue;
        frames = memory_more(frames, &capacity, count + LOOKED_UP, sizeof *frames);
        for (uint32_t j = 0; j < looked_up(site); j++) frames[count++] = site->frames[j];
    }
    symbols_prefetch(symbols, frames, count);
    free(frames);
}

static struct finding *finding_for(struct findings *findings, struct identity *identity,
                                   const struct merged_site *site) {
    enum dump_verdict verdict = verdict_of(site);
    char *key = memory_format("%d %s", (int)verdict, identity->text);
    struct finding *finding = NULL;
    HASH_FIND_STR(findings->table, key, finding);
    if (finding) {
        free(key);
        identity_free(identity);
        return finding;
    }
    finding = memory_get(1, sizeof *finding);
    *finding = (struct finding){.identity = *identity, .verdict = verdict, .is_new = true, .key = key};
    findings->list = memory_more(findings->list, &findings->capacity, findings->count + 1, sizeof(void *));
    findings->list[findings->count++] = finding;
    HASH_ADD_KEYPTR(hh, findings->table, finding->key, strlen(finding->key), finding);
    return finding;
}

static void add_part(struct finding *finding, const char *program, const struct site_part *part) {
    size_t i = 0;
    while (i < finding->part_count && strcmp(finding->parts[i].program, program) != 0) i++;
    if (i == finding->part_count) {
        finding->parts = memory_more(finding->parts, &finding->part_capacity, i + 1, sizeof *finding->parts);
        finding->parts[finding->part_count++] = (struct finding_part){program, 0, 0};
    }
    add_to(&finding->parts[i].blocks, part->blocks);
    add_to(&finding->parts[i].bytes, part->bytes);
}

static void add_site(struct findings *findings, struct finding *finding, struct merged_site *site) {
    for (uint32_t i = 0; i < site->parts; i++)
        add_part(finding, findings->programs[site->by_part[i].part], &site->by_part[i]);
    add_to(&finding->blocks, site->blocks);
    add_to(&finding->bytes, site->bytes);
    samples_join(&finding->block_samples, &site->block_samples);
    samples_join(&finding->byte_samples, &site->byte_samples);
    finding->peak_bytes += site->ever.peak_bytes;
    finding->sites = memory_more(finding->sites, &finding->site_capacity, finding->site_count + 1, sizeof(void *));
    finding->sites[finding->site_count++] = site;
}

static int compare(const void *left, const void *right) {
    const struct finding *a = *(struct finding *const *)left, *b = *(struct finding *const *)right;
    if (a->verdict != b->verdict) return a->verdict < b->verdict ? -1 : 1;
    if (a->bytes != b->bytes) return a->bytes > b->bytes ? -1 : 1;
    return strcmp(a->key, b->key);
}

void findings_take(struct findings *findings, struct merged *merged, struct symbols *symbols, bool all) {
    findings->sampled = merged->sampled;
    findings->programs = memory_get(merged->part_count, sizeof(char *));
    for (size_t i = 0; i < merged->part_count; i++)
        findings->programs[findings->program_count++] =
            escape_text(dump_text(merged->parts[i].dump, merged->parts[i].dump->process.name));
    look_up(merged, symbols, all);
    for (size_t i = 0; i < merged->site_count; i++) {
        struct merged_site *site = merged->sites[i];
        if (!is_wanted(site, all)) continue;
        struct identity identity = identity_of(symbols, merged, site);
        add_site(findings, finding_for(findings, &identity, site), site);
    }
    if (findings->count) qsort(findings->list, findings->count, sizeof(void *), compare);
}

void findings_hide_borne(const struct findings *findings, struct merged *merged) {
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = findings->list[i];
        bool borne = finding->verdict != DUMP_IN_USE && finding->blocks <= finding->borne_blocks &&
                     finding->bytes <= finding->borne_bytes;
        for (size_t j = 0; borne && j < finding->site_count; j++) finding->sites[j]->suppressed = true;
    }
    merged_sum(merged);
    merged_sort(merged, BY_BYTES);
}

void findings_forget_sites(struct findings *findings) {
    for (size_t i = 0; i < findings->count; i++) findings->list[i]->site_count = 0;
}

void findings_free(struct findings *findings) {
    HASH_CLEAR(hh, findings->table);
    for (size_t i = 0; i < findings->count; i++) {
        struct finding *finding = findings->list[i];
        identity_free(&finding->identity);
        free(finding->parts);
        free(finding->sites);
        free(finding->key);
        free(finding);
    }
    for (size_t i = 0; i < findings->program_count; i++) free(findings->programs[i]);
    free(findings->programs);
    free(findings->list);
    *findings = (struct findings){0};
}

static uint64_t least(const struct samples *samples, uint64_t seen) {
    double low = samples_are_exact(samples) ? (double)seen : samples_estimate(samples).low;
    return low < (double)seen ? seen : low < 1e18 ? (uint64_t)low : (uint64_t)1e18;
}

uint64_t finding_blocks(const struct finding *finding) {
    return least(&finding->block_samples, finding->blocks);
}

uint64_t finding_bytes(const struct finding *finding) {
    return least(&finding->byte_samples, finding->bytes);
}
