/* A dump's contents, from what lies in memory to a file. Takes no lock and allocates only by mmap, so it may run in a
 * copy of the process that was taken at any instant, or at exit beside threads that still run. */
#ifndef WEIR_BOX_DUMP_H
#define WEIR_BOX_DUMP_H

#include "shim/box/format.h"
#include "shim/box/output.h"

/* Copies what a program may overwrite later: its command line. */
void dump_start(void);
void dump_note_options(void);             /* they have changed: what cores and boxes tell of them */
const char *dump_options(size_t *length); /* NAME=VALUE, each terminated */

/* What there is to say of the process, but for the time; `add` keeps the strings. */
typedef struct dump_string dump_adds_string(void *context, const char *bytes, size_t n);
struct dump_process dump_describe(enum dump_reason reason, uint32_t exit_status, uint32_t pid, dump_adds_string *add,
                                  void *context);

/* Whether any event leaves a dump, and whether a filter of the program's lets one be written. */
bool dump_is_wanted(void);
bool dump_is_permitted(void);

/* Around the rest, of all reasons: a process writes one dump at a time, since paths and buffers are there once. Held on
 * over an exec, so that no other thread begins one that the exec would cut off. False: another thread is at it for
 * longer than anybody should wait. A copy of the process begins anew. `last`: of the process's end, which goes before.
 */
bool dump_begin(bool last);
void dump_end(void);
bool dump_is_mine(void); /* between the two, on this thread */

/* Counts a dump that a copy of this process will write; dump_write itself does not count. */
void dump_count(void);

/* Writes a dump of process `pid`; its path lies in dump_path. 0, or a negative errno after one line on standard error
 * (once a process). */
long dump_write(enum dump_reason reason, uint32_t exit_status, uint32_t pid);
extern char dump_path[OUTPUT_PATH_MAX];
extern uint32_t dump_killed_by; /* in a copy: the number of the signal that ends the process that it was made of */

/* Searches for leaks without a dump, for the next one to compare its own search with. */
void dump_look(uint32_t pid);

/* Appends what is wrong, in words. */
struct text;
void dump_add_error(struct text *t, long error);

/* Takes the last one back, which turned out to be none: the exec that it was for failed. */
void dump_discard(void);

#endif
