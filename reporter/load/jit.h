/* Names of code of no module: from the dump, which has those of the perf map that its process had then; where it had
 * none, and still runs, from the one that it has by now. An address has a name or none: of lines that cover it the last
 * one counts, and that there were others is known.
 */
#ifndef WEIR_LOAD_JIT_H
#define WEIR_LOAD_JIT_H

#include "reporter/load/merge.h"

struct jit_code {
    uint64_t address; /* in it: a program counter, or the byte before a return address */
    struct text name; /* as the runtime wrote it; length 0: there is none */
    bool reused;      /* other code was there before, or after */
};

struct jit {
    struct jit_code *codes; /* sorted by address */
    size_t count;
    enum dump_jit_map state; /* of the map that was looked at; 0: the dump does not say */
    bool late;               /* by a map that was written after the dump */
    uint64_t time;           /* when it was last written, real time */
    char *path;
    char *bytes; /* of the file, that names are in */
    size_t hits;
};

struct jit *jit_of(struct dump *dump); /* made when it is first asked for */
/* What has no name in a dump gets that of another dump of the same process, which is to be closed after it. */
void jit_lend(struct dump *to, struct dump *from);
const struct jit_code *jit_at(const struct dump *dump, uint64_t address); /* NULL: it has no name */
void jit_free(struct jit *jit);

/* Code of one name is one, wherever and however often it was compiled: gives the frame the place of the first. */
struct jit_name;
void jit_settle(struct merged *merged, const struct dump *dump, struct merged_frame *frame);
void jit_forget(struct merged *merged);

#endif
