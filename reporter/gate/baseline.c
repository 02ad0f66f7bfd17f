/* See baseline.h. What is borne, and what is kept of it; baseline_file.c reads and writes. */
#include "reporter/gate/baseline.h"

#include <stdlib.h>
#include <string.h>

#include "reporter/gate/baseline_file.h"
#include "reporter/load/memory.h"
#include "reporter/symbols/glob.h"
#include "reporter/view/escape.h"

static char *key_of(const char *site, enum dump_verdict verdict) {
    return memory_format("%d %s", (int)verdict, site);
}

static struct baseline_entry *find(const struct baseline_entries *entries, const char *site,
                                   enum dump_verdict verdict) {
    char *key = key_of(site, verdict);
    struct baseline_entry *entry = NULL;
    HASH_FIND_STR(entries->table, key, entry);
    free(key);
    return entry;
}

const struct baseline_entry *baseline_entry_of(const struct baseline *baseline, const struct finding *finding) {
    return find(&baseline->entries, finding->identity.text, finding->verdict);
}

bool baseline_has_expired(const struct baseline *baseline, const struct baseline_entry *entry) {
    return entry->expires[0] && strcmp(entry->expires, baseline->today) < 0;
}

static void put(struct baseline_entries *entries, struct baseline_entry *entry) {
    entries->list = memory_more(entries->list, &entries->capacity, entries->count + 1, sizeof(void *));
    entries->list[entries->count++] = entry;
    HASH_ADD_KEYPTR(hh, entries->table, entry->key, strlen(entry->key), entry);
}

struct baseline_entry *baseline_add(struct baseline_entries *entries, const char *site, enum dump_verdict verdict) {
    if (find(entries, site, verdict)) return NULL;
    struct baseline_entry *entry = memory_get(1, sizeof *entry);
    entry->site = memory_text(site, strlen(site));
    entry->verdict = verdict;
    entry->key = key_of(site, verdict);
    put(entries, entry);
    return entry;
}

static bool accepts(const struct acceptance *acceptance, const char *site) {
    bool any = false;
    for (size_t i = 0; acceptance && i < acceptance->count; i++) {
        if (!glob_matches(acceptance->sites[i], site)) continue;
        any = acceptance->used[i] = true;
    }
    return any;
}

static void see(struct baseline *baseline, const struct finding *finding) {
    struct baseline_entry *entry = find(&baseline->entries, finding->identity.text, finding->verdict);
    if (!entry) entry = find(&baseline->others, finding->identity.text, finding->verdict);
    if (!entry) entry = baseline_add(&baseline->others, finding->identity.text, finding->verdict);
    if (finding->blocks > entry->seen_blocks) entry->seen_blocks = finding->blocks;
    if (finding->bytes > entry->seen_bytes) entry->seen_bytes = finding->bytes;
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static void bear(const struct baseline *baseline, struct finding *finding, enum policy policy) {
    const struct baseline_entry *entry = baseline_entry_of(baseline, finding);
    bool begins = baseline->updates && !baseline->exists;
    bool accepted = baseline->updates && accepts(baseline->acceptance, finding->identity.text);
    if (begins || accepted) {
        finding->borne_blocks = finding->blocks;
        finding->borne_bytes = finding->bytes;
        finding->is_new = false;
    } else if (entry && !baseline_has_expired(baseline, entry)) {
        finding->is_new = false;
        if (policy == POLICY_STRICT && !entry->reason) return;
        finding->borne_blocks = finding_blocks(finding) <= entry->blocks ? finding->blocks : entry->blocks;
        finding->borne_bytes = finding_bytes(finding) <= entry->bytes ? finding->bytes : entry->bytes;
        finding->borne_blocks = least(finding->borne_blocks, finding->blocks);
        finding->borne_bytes = least(finding->borne_bytes, finding->bytes);
    }
}

/* Where a site has no name, one that the baseline has and that was not found may be the same. */
static char *find_unclear(const struct baseline *baseline, const struct findings *findings) {
    const struct baseline_entry *unseen = NULL;
    const struct finding *first = NULL;
    for (size_t i = 0; i < baseline->entries.count && !unseen; i++)
        if (!baseline->entries.list[i]->seen_blocks) unseen = baseline->entries.list[i];
    for (size_t i = 0; i < findings->count && unseen; i++) {
        struct finding *finding = findings->list[i];
        finding->unclear = finding->verdict != DUMP_IN_USE && !finding->identity.known && finding->is_new;
        if (finding->unclear && finding->verdict == DUMP_LEAKED && !first) first = finding;
    }
    return first ? memory_format("%s has no name, so that nobody knows whether the baseline has it as %s",
                                 first->identity.text, unseen->site)
                 : NULL;
}

static char *platform_of(const struct merged *merged) {
    for (size_t i = 0; i < merged->part_count; i++) {
        const struct dump *dump = merged->parts[i].dump;
        struct text machine = dump_text(dump, dump->process.machine);
        if (!machine.length) continue;
        char *harmless = escape_text(machine), *platform = memory_format("%s-linux-gnu", harmless);
        free(harmless);
        return platform;
    }
    return memory_text("unknown", 7);
}

/* NULL, or what the two differ in. */
static char *why_not_comparable(struct baseline *baseline, const struct merged *merged) {
    char *platform = platform_of(merged), *why = NULL;
    if (baseline->platform && strcmp(baseline->platform, platform) != 0)
        why = memory_format("%s is the baseline of %s, and this is %s", baseline->path, baseline->platform, platform);
    if (!baseline->platform)
        baseline->platform = platform;
    else
        free(platform);
    return why;
}

char *baseline_bear(struct baseline *baseline, struct findings *findings, const struct merged *merged,
                    enum policy policy) {
    char *why = merged->part_count ? why_not_comparable(baseline, merged) : NULL;
    for (size_t i = 0; i < findings->count && !why; i++) {
        if (findings->list[i]->verdict == DUMP_IN_USE) continue;
        see(baseline, findings->list[i]);
        bear(baseline, findings->list[i], policy);
    }
    if (!why && findings->sampled && baseline->updates)
        why = memory_format("a baseline is made of what is exact (--level=paranoid)");
    findings->unclear = why != NULL;
    return why ? why : find_unclear(baseline, findings);
}

/* --- the ratchet --- */

static void free_entry(struct baseline_entry *entry) {
    free(entry->site);
    free(entry->reason);
    free(entry->key);
    free(entry);
}

static void accept(struct baseline_entry *entry, const struct acceptance *acceptance) {
    free(entry->reason);
    entry->reason = memory_text(acceptance->reason, strlen(acceptance->reason));
    memset(entry->expires, 0, sizeof entry->expires);
    if (acceptance->expires) memcpy(entry->expires, acceptance->expires, 10);
    entry->blocks = entry->seen_blocks;
    entry->bytes = entry->seen_bytes;
}

/* What goes on to the new list, which the entry then belongs to. */
static void turn(const struct baseline *baseline, struct baseline_entry *entry, bool is_old,
                 struct baseline_entries *to) {
    bool accepted = accepts(baseline->acceptance, entry->site), begins = !baseline->exists;
    bool stays = entry->seen_blocks && (accepted || begins || (is_old && !baseline_has_expired(baseline, entry)));
    if (!stays) {
        free_entry(entry);
        return;
    }
    if (accepted) {
        accept(entry, baseline->acceptance);
    } else {
        entry->blocks = begins ? entry->seen_blocks : least(entry->blocks, entry->seen_blocks);
        entry->bytes = begins ? entry->seen_bytes : least(entry->bytes, entry->seen_bytes);
    }
    put(to, entry);
}

static int compare(const void *left, const void *right) {
    const struct baseline_entry *a = *(struct baseline_entry *const *)left, *b = *(struct baseline_entry *const *)right;
    int result = strcmp(a->site, b->site);
    return result ? result : (int)a->verdict - (int)b->verdict;
}

void baseline_sort(struct baseline_entries *entries) {
    if (entries->count) qsort(entries->list, entries->count, sizeof(void *), compare);
}

/* The old list is gone afterwards. */
static void turn_all(const struct baseline *baseline, struct baseline_entries *from, bool is_old,
                     struct baseline_entries *to) {
    HASH_CLEAR(hh, from->table);
    for (size_t i = 0; i < from->count; i++) turn(baseline, from->list[i], is_old, to);
    free(from->list);
    *from = (struct baseline_entries){0};
}

char *baseline_update(struct baseline *baseline) {
    struct baseline_entries now = {0};
    turn_all(baseline, &baseline->entries, true, &now);
    turn_all(baseline, &baseline->others, false, &now);
    baseline->entries = now;
    baseline_sort(&baseline->entries);
    return baseline_write(baseline);
}

static void free_entries(struct baseline_entries *entries) {
    HASH_CLEAR(hh, entries->table);
    for (size_t i = 0; i < entries->count; i++) free_entry(entries->list[i]);
    free(entries->list);
}

void baseline_free(struct baseline *baseline) {
    free_entries(&baseline->entries);
    free_entries(&baseline->others);
    free(baseline->platform);
    *baseline = (struct baseline){0};
}
