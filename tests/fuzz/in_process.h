/* For the fuzzer that libFuzzer leads: a copy of a process with sanitizers takes longer than all the rest, so what
 * reporter/load/core/verdicts.c does in a process of its own is done here, and what follow.c does (libdw) not at all.
 */
#ifndef WEIR_FUZZ_IN_PROCESS_H
#define WEIR_FUZZ_IN_PROCESS_H

#include <setjmp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef NO_PROCESS
#    define fork() (-1)
#else

static jmp_buf in_process;

#    define NO_CHILD        1 /* waitpid says that it is none of ours */
#    define fork()          (setjmp(in_process) ? NO_CHILD : 0)
#    define _exit(status)   longjmp(in_process, 1)
#    define prctl(...)      0
#    define setrlimit(a, b) ((void)(b), 0)
#endif

#endif
