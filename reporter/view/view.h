/* The output forms of a report: one function a form. They only read; what they show was loaded, merged and sorted. */
#ifndef WEIR_VIEW_VIEW_H
#define WEIR_VIEW_VIEW_H

#include <stdio.h>

#include "reporter/load/merge.h"
#include "reporter/symbols/suppress.h"

#define VIEW_ALL SIZE_MAX

struct view_options {
    size_t rows;    /* of the table (and of the sites in JSON) */
    size_t details; /* sites shown with their frames */
    bool full;      /* nothing is shortened or left out */
    bool memory;    /* where the memory is, in place of the sites */
    bool arena;     /* the arena by size class, likewise */
    bool colour;
    bool links; /* places are hyperlinks to their files */
    bool brief; /* the table has so few rows that it, and what is above it, fits on a screen */
    enum merged_order order;
    const char *next; /* the command that is suggested, below a brief table or in the last line; NULL: none */
};

/* What a gate has found; words and numbers, for those who write them. */
struct view_verdict {
    const char *result;   /* passed, failed, inconclusive */
    char *const *reasons; /* the first is the one that decided it */
    size_t reason_count;
    size_t processes; /* that were judged */
};

struct view {
    FILE *out;
    const struct merged *merged;
    struct symbols *symbols;
    struct view_options options;
    const struct suppressions *suppressions; /* that were applied; NULL: none */
    const struct view_verdict *verdict;      /* of a gate; NULL: it is a report */
    const struct view *base;                 /* what this one is compared with; NULL: nothing */
};

void view_text(const struct view *view);    /* text.c */
void view_json(const struct view *view);    /* json.c */
void view_totals(const struct view *view);  /* totals.c: what was made, ever, in place of what is live */
void view_details(const struct view *view); /* details.c: sites with their frames, refusals */
void view_mapped(const struct view *view);  /* details.c: sites that mapped memory, likewise */
void view_full(const struct view *view);    /* full.c: modules, counters, options */
void view_memory(const struct view *view);  /* where.c: where the memory is */
void view_arena(const struct view *view);   /* where.c: the arena by size class */

/* The rows of DUMP_MEMORY over all dumps that count. */
struct memory_sum {
    struct dump_memory rows[MEMORY_KINDS], all;
    uint64_t kernel, used;     /* what the kernel says is resident, what the counter says is charged; bytes */
    bool has_kernel, has_used; /* of all of them */
};
bool view_sum_memory(const struct merged *merged, struct memory_sum *sum); /* false: no dump has any */
extern const char *const view_memory_kinds[MEMORY_KINDS];                  /* names for programs */

void view_suppressions(const struct view *view); /* suppressions.c: what they covered */

/* Suppressions for what is leaked or may be, a list for that tool. */
enum suppression_form { SUPPRESSIONS_NONE, SUPPRESSIONS_LSAN, SUPPRESSIONS_VALGRIND };
void view_generate(const struct view *view, enum suppression_form form); /* suppressions.c */

/* A stack, as details show it. */
void view_stack(const struct view *view, const struct merged_frame *frames, uint32_t count, uint32_t flags);
/* No more than so many frames, unless all is shown, and nothing of what is not known of them. */
void view_stack_brief(const struct view *view, const struct merged_frame *frames, uint32_t count, uint32_t most);

/* records.c: where a block of the site was last accessed, and how many accesses are not told. */
void view_records(const struct view *view, const struct merged_site *site);
void view_discarded(const struct view *view, const struct merged_site *site);

/* The sites at which anything was ever made, in the order of the view; their number. The caller frees the list. */
struct merged_site **view_ever(const struct view *view, size_t *count);

/* Looks up the names of the first sites all at once: text needs to know how many were found before it starts. */
void view_resolve(const struct view *view, size_t sites);

/* What text and JSON call the same thing by. */
const char *view_verdict(enum dump_verdict verdict);    /* leaked, possible, in_use, unknown */
const char *view_title(const struct merged_site *site); /* LEAK, IN USE; details.c */
const char *view_level(uint32_t level);
const char *view_reason(uint32_t reason);
const char *view_operation(uint32_t operation);
const char *view_record(uint32_t kind);                     /* write, realloc, weir_touch */
char *view_what(const struct dump_record *record);          /* write(fd 12); a new string */
const struct part *view_first(const struct merged *merged); /* the first part that counts; of none an empty one */
char *view_process_name(const struct dump *dump);           /* harmless; "?" where it is not known; a new string */
uint64_t view_uptime(const struct dump *dump);              /* nanoseconds */
bool view_uptime_is_least(const struct dump *dump);         /* nobody knows when it ended */
const char *view_end(const struct dump *dump);              /* how, of one that left no dump; until the next call */

void view_message(const char *format, ...) __attribute__((format(printf, 1, 2))); /* one harmless line on stderr */

#endif
