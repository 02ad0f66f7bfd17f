/* Baselines: what is known to leak, by identity, and borne; a JSON file that is committed beside the program, one a
 * platform (doc/weir-baseline.schema.json says what it may hold, doc/weir-gate.1.md what it means).
 *
 * Numbers are absolute, and only ever fall: an update takes what was seen where that is less, and leaves out what was
 * not. What is new comes in by an acceptance, which has a reason and may have an end. */
#ifndef WEIR_GATE_BASELINE_H
#define WEIR_GATE_BASELINE_H

#include "reporter/gate/findings.h"
#include "reporter/gate/rules.h"

struct baseline_entry {
    char *site;                       /* an identity */
    enum dump_verdict verdict;        /* LEAKED or POSSIBLE */
    uint64_t blocks, bytes;           /* that are borne */
    char *reason;                     /* NULL: it was there when the baseline began */
    char expires[11];                 /* YYYY-MM-DD, the last day that it holds, UTC; or empty */
    uint64_t seen_blocks, seen_bytes; /* the most that any run had; 0 blocks: none was seen */
    char *key;
    UT_hash_handle hh;
};

struct baseline_entries {
    struct baseline_entry **list, *table;
    size_t count, capacity;
};

struct acceptance {
    char **sites; /* patterns of identities */
    bool *used;
    size_t count, capacity, used_capacity;
    const char *reason, *expires; /* NULL: none */
};

struct baseline {
    const char *path;
    bool exists;  /* the file does */
    bool updates; /* it is to be written, with what is accepted; one that does not exist, with all that is found */
    const struct acceptance *acceptance;
    char today[11];
    char *platform;                          /* of the file; then of the dumps */
    struct baseline_entries entries, others; /* the file's; what else was seen */
};

/* A file that is not there is an empty baseline. NULL, or what is wrong, which the caller frees. */
char *baseline_read(struct baseline *baseline, const char *path);
void baseline_free(struct baseline *baseline);

bool baseline_is_date(const char *text); /* one that there is, as YYYY-MM-DD */

/* Says of each finding what of it is borne: blocks up to those of its entry, bytes likewise. Entries that have expired
 * bear nothing, and under POLICY_STRICT those without a reason neither. What was seen is remembered. The return value
 * is NULL, or why some of them, or with findings->unclear all, cannot be compared, which the caller frees. */
char *baseline_bear(struct baseline *baseline, struct findings *findings, const struct merged *merged,
                    enum policy policy);
bool baseline_has_expired(const struct baseline *baseline, const struct baseline_entry *entry);
const struct baseline_entry *baseline_entry_of(const struct baseline *baseline, const struct finding *finding);

/* After the last run: makes the entries what they are to be, and writes the file, whole or not at all. NULL, or what is
 * wrong. */
char *baseline_update(struct baseline *baseline);

#endif
