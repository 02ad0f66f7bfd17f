/* See tell.h. */
#include "reporter/gate/tell.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/load/memory.h"
#include "reporter/view/escape.h"
#include "reporter/view/units.h"

#define LINES 10

static char *amount_of(uint64_t blocks, uint64_t bytes) {
    return memory_format("%s in %s %s", units_bytes(bytes), units_count(blocks), blocks == 1 ? "block" : "blocks");
}

static void tell_entry(const struct baseline *baseline, const struct finding *finding,
                       const struct baseline_entry *entry, FILE *out) {
    char *now = amount_of(finding_blocks(finding), finding_bytes(finding)),
         *then = amount_of(entry->blocks, entry->bytes);
    char *reason = entry->reason ? escape_string(entry->reason) : NULL;
    if (baseline_has_expired(baseline, entry))
        (void)fprintf(out, "weir gate: expired on %s: %s, %s (%s)\n", entry->expires, finding->identity.text, now,
                      reason ? reason : "");
    else if (finding_blocks(finding) <= entry->blocks && finding_bytes(finding) <= entry->bytes)
        (void)fprintf(out, "weir gate: without a reason: %s, %s\n", finding->identity.text, now);
    else
        (void)fprintf(out, "weir gate: more than the baseline: %s, %s; borne are %s\n", finding->identity.text, now,
                      then);
    free(reason);
    free(then);
    free(now);
}

static void tell_one(const struct baseline *baseline, const struct finding *finding, FILE *out) {
    const struct baseline_entry *entry = baseline_entry_of(baseline, finding);
    if (entry) {
        tell_entry(baseline, finding, entry, out);
        return;
    }
    char *now = amount_of(finding_blocks(finding), finding_bytes(finding));
    (void)fprintf(out, "weir gate: not in the baseline: %s, %s%s\n", finding->identity.text, now,
                  finding->identity.known ? "" : " (it has no name, and goes by its address)");
    free(now);
}

void tell_findings(const struct baseline *baseline, const struct findings *findings, enum policy policy, FILE *out) {
    size_t told = 0, more = 0;
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = findings->list[i];
        if (finding->verdict != DUMP_LEAKED || finding->unclear || findings->unclear) continue;
        if (finding->blocks <= finding->borne_blocks && finding->bytes <= finding->borne_bytes) continue;
        if (told == LINES) {
            more++;
            continue;
        }
        tell_one(baseline, finding, out);
        told++;
    }
    if (more)
        (void)fprintf(out, "weir gate: and %zu more that %s not bear\n", more,
                      policy == POLICY_STRICT ? "strict does" : "the baseline does");
}

void tell_gone(const struct baseline *baseline, FILE *out) {
    size_t gone = 0, less = 0;
    for (size_t i = 0; i < baseline->entries.count; i++) {
        const struct baseline_entry *entry = baseline->entries.list[i];
        gone += entry->seen_blocks == 0;
        less += entry->seen_blocks && (entry->seen_blocks < entry->blocks || entry->seen_bytes < entry->bytes);
    }
    if (!gone && !less) return;
    (void)fprintf(out, "weir gate: of the baseline %zu %s gone, %zu %s less (--update-baseline)\n", gone,
                  gone == 1 ? "site is" : "sites are", less, less == 1 ? "leaks" : "leak");
}

void tell_updated(const struct baseline *baseline, FILE *out) {
    size_t addresses = 0;
    for (size_t i = 0; i < baseline->entries.count; i++) {
        const char *site = baseline->entries.list[i]->site, *at = strrchr(site, '[');
        addresses += at && strstr(site, "+0x") && at[strlen(at) - 1] == ']';
    }
    (void)fprintf(out, "weir gate: %s has %zu %s\n", baseline->path, baseline->entries.count,
                  baseline->entries.count == 1 ? "site" : "sites");
    if (addresses)
        (void)fprintf(out, "weir gate: %zu of them have no name and go by their addresses, until the next build\n",
                      addresses);
}
