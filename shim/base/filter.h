/* The program's own filters of system calls (seccomp). One that kills would end the program for a call of weir's, so
 * those that are seen when they are set (entry/seccomp.c) are run here first, before each of weir's calls: what one
 * would do anything about but let through or answer with an error is not even tried, and fails with EPERM. */
#ifndef WEIR_BASE_FILTER_H
#define WEIR_BASE_FILTER_H

#include "shim/base/base.h"

struct sock_fprog;

/* True once there may be one. Written before the first is set, never taken back. */
extern bool filter_any HIDDEN;

/* Adds a filter that is about to be set, for this thread or, if there is no other or all are to have it, for
 * everybody; without a program strict mode, which leaves read, write, exit and rt_sigreturn. NULL: it cannot be
 * remembered, and nobody can tell what it forbids. */
struct filter;
struct filter *filter_add(const struct sock_fprog *program, bool everybody);
bool filter_is_everybodys(const struct filter *f);
/* It was not set after all. */
void filter_remove(struct filter *f);

/* One is in force that was not seen: from now on nothing is tried. */
void filter_unknown(void);

/* Whether the call may be made. With arguments that are not known yet, 0 stands for them. */
bool filter_allows(long n, long a, long b, long c, long d, long e, long f);
#define FILTER_ALLOWS(n, a, b, c) (!filter_any || filter_allows(n, a, b, c, 0, 0, 0))

/* One that the program was started under, or that was not seen, forbids this call, whatever its arguments: eight at
 * most. */
void filter_forbid(long n);
/* The program was started under filters. */
bool filter_is_inherited(void);

/* At start: which filters the program was started with is not known, but weir has come up under them. */
void filter_start(void);
/* Before an end: where the kernel knows of more filters than were seen, filter_unknown. */
void filter_look(void);

#endif
