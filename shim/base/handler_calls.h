/* Calls that weir makes in a signal's handler in the program's stead, so that what its signal has interrupted goes on:
 * with the program's mask, so that its own signals interrupt them. weir's next signal tells by where it comes that it
 * is such a call that it interrupts. For interrupted.c alone. */
#ifndef WEIR_BASE_HANDLER_CALLS_H
#define WEIR_BASE_HANDLER_CALLS_H

#include "shim/base/base.h"

#include <time.h>
#include <ucontext.h>

struct call {
    greg_t *r;       /* the registers that it goes on with */
    long number;     /* -1: not known */
    uint64_t mask;   /* the program's */
    int signal;      /* weir's */
    uint64_t came;   /* when, by the clock */
    uint64_t closed; /* what is held beside the mask while weir waits in the handler */
};

struct arguments {
    long of[6];
};
struct arguments handler_arguments(const struct call *c);

/* The program has one for the signal. */
bool handler_is_set(int signal);

/* A handler of the program's is about to run, and interrupts a call; `restarts`: one that SA_RESTART makes again. */
bool handler_is_due(const struct call *c, bool restarts);

/* Some handler of the program's is one during which weir's signal waits. The one that it waited for, just now, may have
 * interrupted the call. */
bool handler_holds_signal(const struct call *c);

/* interrupted_note told of this call. */
bool handler_noted(const struct call *c);
long handler_noted_number(void); /* of the last one that it told of; below 0: none */

/* Which of the calls below weir's signal has interrupted. What of the program's is due by then is let in. */
enum handler_in {
    HANDLER_IN_NONE,
    HANDLER_IN_WAIT,   /* the handler is to return */
    HANDLER_IN_RESTART /* it is not to, but to go back */
};
enum handler_in handler_was_in_call(const struct call *c);
_Noreturn void handler_go_back(const greg_t *r);

/* What is pending of the program's, and let in by the mask, is handled now. */
void handler_let_in(uint64_t mask);

/* Each returns the result of the whole call, as the kernel does; -EINTR: the program's own signal came. */
long handler_restart(const struct call *c, struct timespec *rest); /* by restart_syscall */
bool handler_is_endless(const struct call *c);                     /* the next has no timeout */
long handler_wait(const struct call *c);        /* until its relative timeout has gone by since it began */
long handler_wait_socket(const struct call *c); /* until the socket is ready: 0, make it again */

/* What a call has transferred in part becomes what it was to transfer, if it can. */
void handler_transfer(const struct call *c);

/* Of what was left when a signal came, what is left now. */
void handler_lessen(struct timespec *rest, uint64_t came);

struct timespec handler_time(uint64_t ns);
uint64_t handler_ns(const struct timespec *t);
#define HANDLER_SECONDS_MAX 1000000000 /* a longer time is for ever */

#endif
