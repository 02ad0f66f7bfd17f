/* System calls that a signal of weir's own has interrupted: they go on as if it had not come. The kernel makes some
 * again by itself (SA_RESTART); for the others it has put EINTR into the context that the signal's handler gets, where
 * the program would find it.
 *
 * A signal of the program's that has come meanwhile, and that would have interrupted the call, still does. To know of
 * it, weir's handler holds all signals. What is left: one that comes between the handler's last look and the call is
 * taken for one that came just before the call. */
#ifndef WEIR_BASE_INTERRUPTED_H
#define WEIR_BASE_INTERRUPTED_H

#include "shim/base/base.h"

/* Where a thread waits, as the kernel says before it is sent the signal (/proc/PID/task/TID/syscall). */
struct interrupted_call {
    long number;           /* of the system call; -1: it waits in none, or nobody knows */
    uintptr_t code, stack; /* where it goes on, its stack pointer */
    uint64_t arguments[6];
};

/* A call with a relative timeout begins whose rest the kernel does not tell; with its first two arguments. ANY: one of
 * a socket's. */
#define INTERRUPTED_ANY (-2)
void interrupted_note(long number, uint64_t first, uint64_t second);

/* The last one made by libc's `syscall`, whose code it is that then waits, and where that begins (entry/seccomp.c). */
extern __thread long interrupted_by_syscall HIDDEN;
extern uintptr_t interrupted_syscall HIDDEN;

/* At the begin of a handler of weir's, which holds all signals: lets those in again that the program ignores. Else they
 * would be kept for a thread that lets them in, and interrupt that, though it ignores them. */
void interrupted_begin(void);

/* At the end of the handler of weir's signal `number`, which came at the time `came` (clock_now). Of the context what
 * the kernel left is changed to what it would be without the signal; waits for the call to end where that must be done
 * here. Before that it calls `passed`: what was pending for the process, and this thread lets in, has been handled by
 * it. */
void interrupted_go_on(int number, void *context, uint64_t came, const struct interrupted_call *before,
                       void (*passed)(void));

#endif
