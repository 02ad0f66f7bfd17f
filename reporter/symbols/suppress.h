/* Suppressions: leaks that are known and borne, as lists for LeakSanitizer and for Valgrind's Memcheck name them. Both
 * are read as they are, also mixed in one file; a stack is suppressed where one rule covers it.
 *
 * LeakSanitizer: a line "leak:PATTERN"; empty lines, and those that begin with #, are none. It covers a stack if the
 * pattern is found in the function, the file or the module of any frame; * stands for anything, ^ at its beginning and
 * $ at its end for the beginning and the end of the name.
 *
 * Valgrind: {, a name, "Memcheck:Leak" (blocks of other tools and kinds are passed over), perhaps
 * "match-leak-kinds: KIND,..." (definite, indirect, possible, reachable, all; all by default), then a line a frame from
 * the innermost on: "fun:PATTERN", "obj:PATTERN" (path of the module), "src:FILE[:LINE]", or "..." for any number of
 * frames; and }. Patterns have * and ?. Functions go by the linker's name, as Valgrind writes them, or by their own.
 * The allocation function, which is the innermost frame there and none here, is matched by what could be its name.
 */
#ifndef WEIR_SYMBOLS_SUPPRESS_H
#define WEIR_SYMBOLS_SUPPRESS_H

#include "reporter/symbols/symbols.h"

struct suppression {
    char *name;        /* the pattern, or Valgrind's name */
    char *path;        /* of the list */
    size_t program;    /* number of a merged module, plus one: only stacks that it is on; 0: any */
    unsigned line;     /* of the file, from 1 */
    bool valgrind;     /* else LeakSanitizer's */
    unsigned verdicts; /* bits 1 << enum dump_verdict that it covers */
    char **lines;      /* Valgrind's frames; of LeakSanitizer the pattern, for all of a name */
    size_t line_count, line_capacity;
    uint64_t sites, blocks, bytes; /* that it covered, by suppress_apply */
};

struct suppressions {
    struct suppression *rules;
    size_t count, capacity;
    uint64_t leaked_blocks, leaked_bytes, possible_blocks, possible_bytes; /* that are covered, of tracked blocks */
};

/* Adds what is in a file. NULL, or what is wrong with it: "FILE:LINE: …"; the caller frees that. */
char *suppress_read(struct suppressions *suppressions, const char *path);

/* Adds the lists that programs have brought along in their dumps, each for stacks that the program is on. What is wrong
 * with one is told in `problem`, and the rest of it left out; the caller frees that. NULL: nothing is. Of built merged
 * dumps. */
void suppress_add_programs(struct suppressions *suppressions, const struct merged *merged,
                           void (*problem)(const char *what));

/* Before other dumps: what programs have brought along goes, and nothing is covered. */
void suppress_forget_programs(struct suppressions *suppressions);

/* Marks the sites that are leaked, or may be, and that a rule covers: the first one counts them. Of built merged dumps,
 * which must be sorted again. */
void suppress_apply(struct suppressions *suppressions, struct merged *merged, struct symbols *symbols);
void suppress_free(struct suppressions *suppressions);

#endif
