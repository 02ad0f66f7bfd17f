/* Signals that end a program which has no handler for them. */
#ifndef WEIR_BOX_CRASH_H
#define WEIR_BOX_CRASH_H

/* From the constructor, where they are at their default: for faults and aborts with WEIR_ON_CRASH=dump, for SIGTERM and
 * SIGINT with WEIR_DUMP_AT=term a dump is written, and then the program ends as it would have; a box that somebody cuts
 * short is not its end. */
void crash_start(void);

/* In a child of fork: whatever its parent has done, it has not. */
void crash_forked(void);

/* In a thread that is new to weir: a stack for its handlers, without which the overflow of its own leaves no dump. */
void crash_watch_thread(void);
void crash_thread_ended(void);

#endif
