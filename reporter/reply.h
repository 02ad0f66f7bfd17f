/* Where a program answers a request for a dump: a file that it puts, whole, into its box folder. */
#ifndef WEIR_REPLY_H
#define WEIR_REPLY_H

#include "reporter/load/proc.h"

struct reply {
    int folders[4]; /* where the program may put it; -1: not there */
    char name[64], left[64];
};

bool reply_prepare(struct reply *reply, const struct proc *proc, uint32_t cookie, const char **why);

enum reply_state { REPLY_NONE, REPLY_OK, REPLY_ERROR };
/* Takes the answer away once it is there; text is its path or its complaint, freed by the caller. */
enum reply_state reply_take(const struct reply *reply, const struct proc *proc, char **text);
/* `left`: what reply_leave put there goes as well. */
void reply_close(struct reply *reply, const struct proc *proc, bool left);

/* Puts what is to be changed where the program looks for it, in a file of its user's. False, and errno. */
bool reply_leave(const struct reply *reply, const struct proc *proc, const char *settings);

/* A path of the program's as this process can open it. */
char *reply_path(const struct proc *proc, const char *path);

#endif
