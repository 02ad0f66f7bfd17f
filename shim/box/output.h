/* Where dumps go: the template of WEIR_OUTPUT, made absolute at start, and opening a new file by it. */
#ifndef WEIR_BOX_OUTPUT_H
#define WEIR_BOX_OUTPUT_H

#include "shim/base/base.h"

#define OUTPUT_PATH_MAX ((size_t)4096)

/* Remembers the working folder and the program's name, for %e. */
void output_start(const char *program);
const char *output_program(void);
extern char output_name[256]; /* what it returns, for box/beacon.h */

/* The folder of dumps, absolute, up to where it depends on the process. False: it has no name. */
bool output_folder(char *to, size_t size);

/* A dump that is being written: under its name with ".part" behind it, so that under its own name it is whole. One at a
 * time in a process. */
struct output {
    char *path; /* OUTPUT_PATH_MAX bytes: the name that it will have */
    uint32_t pid;
    uint64_t number;
    unsigned attempt;
    long fd; /* above the program's usual ones, closed by exec; or a negative errno */
};

/* What these do, a filter of the program's must let pass. */
bool output_is_permitted(void);

/* Creates the file: never an existing one (".2", ".3" … is put before a final ".dump", else at the end), never through
 * a link. */
void output_open(struct output *o, char path[OUTPUT_PATH_MAX], uint32_t pid, uint64_t number);

/* Closes it and gives it its name, or takes it away. 0, or a negative errno. */
long output_keep(struct output *o);
void output_drop(struct output *o);

#endif
