/* One line on stderr that says what takes so long; silent for the first half second and where stderr is no terminal. */
#ifndef WEIR_LOAD_PROGRESS_H
#define WEIR_LOAD_PROGRESS_H

#include <stdint.h>

void progress_show(const char *what, uint64_t done, uint64_t total);
void progress_clear(void); /* before anything else is printed */

#endif
