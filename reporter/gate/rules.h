/* The gate's rules: limits, of a file weir.rules or of flags (doc/weir-rules.5.md has the file). A line is
 *
 *   max_leaked 4K [site PATTERN] [program PATTERN]
 *
 * Of one kind several may hold. What a rule with a site is about falls to the last of those that it matches; else what
 * a rule with a program is about falls to the last of those; the rest to the last rule without either, of the flags
 * where there is one. Each rule judges by itself what fell to it, and nothing falls to two.
 */
#ifndef WEIR_GATE_RULES_H
#define WEIR_GATE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULE_NO_LIMIT UINT64_MAX

enum rule_kind { RULE_LEAKED, RULE_POSSIBLE, RULE_NEW_SITES, RULE_LIVE, RULE_PEAK, RULE_GROWTH, RULE_KINDS };

/* What leaks count: REPORT: none, they are told; NEW: those that the baseline does not have; STRICT: those, and what it
 * has without a reason. */
enum policy { POLICY_DEFAULT, POLICY_REPORT, POLICY_NEW, POLICY_STRICT };

struct rule {
    enum rule_kind kind;
    uint64_t most;        /* bytes, sites of NEW_SITES, bytes a run of GROWTH; or RULE_NO_LIMIT */
    char *site, *program; /* patterns, NULL: any */
    char *place;          /* where it stands: "weir.rules:12", "--max-leaked", or "" of a default */
    bool flag;
    uint64_t blocks, bytes, sites; /* that fell to it and count; the judge's, as the next ones */
    uint64_t aside;                /* bytes that were taken off: suppressed, borne, another rule's */
    size_t left;                   /* findings that count */
    double growth;
};

struct rules {
    struct rule *list;
    size_t count, capacity;
    enum policy policy;
    bool policy_by_flag;
    size_t processes; /* that must have been seen at least */
    bool processes_by_flag;
    char **suppressions; /* files that the rules name */
    size_t suppression_count, suppression_capacity;
    char *baseline; /* that the rules name; NULL: none */
};

void rules_start(struct rules *rules); /* with the defaults */
void rules_free(struct rules *rules);

/* NULL, or what is wrong: "FILE:LINE: ..."; the caller frees that. */
char *rules_read(struct rules *rules, const char *path);

/* `--max-leaked=VALUE`: VALUE is what stands behind max_leaked on a line. The same. */
char *rules_flag(struct rules *rules, enum rule_kind kind, const char *value);

/* "report", "new", "strict". False: it is none of these. */
bool rules_policy(const char *word, enum policy *policy);

extern const char *const rule_words[RULE_KINDS]; /* max_leaked */

/* What the process's, or the site's, falls to. Of the site NULL: no rule with a site matches. */
struct rule *rules_for_program(struct rules *rules, enum rule_kind kind, const char *program);
struct identity;
struct rule *rules_for_site(struct rules *rules, enum rule_kind kind, const struct identity *identity,
                            const char *program);

bool rules_limit(const struct rules *rules, enum rule_kind kind);      /* some rule of it does */
bool rules_have_sites(const struct rules *rules, enum rule_kind kind); /* some rule of it names a site */
void rules_reset(struct rules *rules);                                 /* before each verdict */

#endif
