/* What the constructor arms, a function a family. */
#ifndef WEIR_ENTRY_HOOKS_H
#define WEIR_ENTRY_HOOKS_H

#include "shim/base/base.h"

void hook_exit(void);    /* process.c */
void hook_threads(void); /* thread.c */
void hook_leave(void);   /* leave.c */
void hook_loader(void);  /* loader.c; its assembly calls it by name */
void hook_seccomp(void); /* seccomp.c; the same */
void hook_io(void);      /* io.c */
void hook_lsan(void);    /* lsan.c */

void hook_waits(void); /* wait.c */
void hook_kept(void);  /* kept.c; its functions look themselves up where they are called before */

/* The first socket has got a timeout of its own: io.c's calls are noted from now on, too (interrupted_note). io.c */
void io_note_waits(void);

/* Records are made from now on, or not any more. io.c */
void io_follow_level(void);

/* libc's syscall. seccomp.c */
extern long (*seccomp_next_syscall)(long, ...) HIDDEN;

/* A child of fork has its own end before it. process.c */
void process_forked(void);

/* A child of fork has nothing locked. lock_all.c */
void lock_all_forked(void);

/* What a function of libc's does before it was found: the kernel's answer, as libc's has it, in errno. io.c */
long hooks_by_kernel(long n, long a, long b, long c, long d, long e, long f);

#endif
