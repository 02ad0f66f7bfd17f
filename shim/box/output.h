/* Where dumps go: the template of WEIR_OUTPUT, made absolute at start, and opening a new file by it. */
#ifndef WEIR_BOX_OUTPUT_H
#define WEIR_BOX_OUTPUT_H

#include "shim/base/base.h"

#define OUTPUT_PATH_MAX ((size_t)4096)

/* Remembers the working folder and the program's name, for %e. */
void output_start(const char *program);
const char *output_program(void);

/* Creates the file: never an existing one (".2", ".3" … is put before a final ".dump", else at the end), never through
 * a link; its descriptor is above the program's usual ones and closed by exec. A negative errno where it can't be. */
long output_open(char path[OUTPUT_PATH_MAX], uint32_t pid, uint64_t number);

#endif
