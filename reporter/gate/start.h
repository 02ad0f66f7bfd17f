/* Running the program that is to be judged, as `weir run` does, and the one that leaks on purpose. */
#ifndef WEIR_GATE_START_H
#define WEIR_GATE_START_H

#include "reporter/gate.h"

#define START_CANARY 4242u /* bytes that `weir gate-canary` leaks */

/* A new folder here, for dumps; NULL: that cannot be, and was said. */
char *start_folder(const char *what);
char *start_subfolder(const char *folder, size_t number); /* below that one; the same */
void start_remove(char *folder);                          /* with all that is in it; frees the name */
bool start_is_full(const char *folder);                   /* a dump may not find room there */

/* This program again, as `weir run`, with dumps in that folder. How it ended, as waitpid has it. */
int start_under_weir(char *folder, char **arguments, size_t count);

/* What the program left running is this process's child from its end on, and waited for. */
void start_adopt(void);
void start_wait(struct gate *gate, size_t seconds);

#endif
