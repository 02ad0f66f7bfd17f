/* A copy of the process as it is at one instant, for writing a dump while the program goes on. */
#ifndef WEIR_BOX_COPY_H
#define WEIR_BOX_COPY_H

#include "shim/base/base.h"

/* 0 in the copy; its id in the program, or a negative errno: there can be none. A copy ends by exit_group. */
long copy_make(void);

/* The same, of a thread that waits until the copy has ended: its wait status. */
long copy_make_waiting(int *status);

/* Before the program's end, or an exec: no more copies are begun, and those that still write are waited for, some
 * seconds at most. It was not the end after all: an exec failed. */
void copy_end(void);
void copy_go_on(void);

bool copy_any(void);        /* that is to be reaped */
bool copies_are_over(void); /* since copy_end */

/* The program has said that it adopts orphans: it does not want these, nor do its children's masters. */
void copy_adopters_seen(void);

/* In a child of fork: its parent's copies are none of its own. */
void copy_forked(void);

#endif
