/* A process of its own that reads ELF and DWARF files. libdw was not made for hostile input: what crashes, hangs or
 * eats all memory is then this process, and the report goes on without the names of that module.
 *
 *   request   struct worker_request[n], n up to WORKER_BATCH, sent in one piece behind their number (uint32_t)
 *   answer    for each: struct worker_answer, the module's reason, then each frame: struct worker_frame and its strings
 */
#ifndef WEIR_SYMBOLS_WORKER_H
#define WEIR_SYMBOLS_WORKER_H

#include <stdio.h>

#include "reporter/symbols/lookup.h"

#define WORKER_BATCH   512u
#define WORKER_NO_TEXT UINT32_MAX /* the length of a string that is NULL */

struct worker_request {
    uint64_t address;
    uint32_t module;
    uint32_t kind; /* enum symtab_kind: what is asked for */
};

struct worker_answer {
    uint32_t count;
    uint32_t has_names;
    uint32_t why; /* length */
};

struct worker_frame {
    uint64_t offset;
    uint32_t line;
    uint32_t inlined;
    uint32_t texts[6]; /* lengths of function, brief, linked, file, folder, missing */
};

struct worker {
    pid_t pid; /* 0: not running */
    int requests;
    FILE *answers;
};

bool worker_start(struct worker *worker, const struct merged *merged, const struct symbol_options *options);
void worker_stop(struct worker *worker);
/* For such a process: its crashes are nobody's business, and its time is limited. */
void worker_lie_low(void);

bool worker_ask(struct worker *worker, const struct worker_request *requests, uint32_t count);

#endif
