/* Following the stacks of a core's threads. libdw does it, in a process of its own, since files and stacks are whatever
 * they are: what crashes there costs the stacks, not the report. */
#ifndef WEIR_LOAD_CORE_FOLLOW_H
#define WEIR_LOAD_CORE_FOLLOW_H

#include "reporter/load/core/image.h"

#define DOING_FRAMES  128u  /* a stack at most */
#define DOING_THREADS 4096u /* that are followed */

struct followed {
    uint32_t count;
    uint32_t cut; /* there are more */
    uint64_t code[DOING_FRAMES];
    uint64_t pointer[DOING_FRAMES]; /* its stack pointer there; 0: not known */
    uint8_t exact[DOING_FRAMES];    /* it was interrupted there, no return address */
};

/* Calls `see` for the first `threads` of the core, each once, in their order; fewer where it fails. */
void core_follow(struct core *core, size_t threads, void (*see)(void *context, size_t thread, const struct followed *f),
                 void *context);

#endif
