/* A search for leaks that the program itself has asked for, and that it goes on after. What it finds is said on
 * standard error, site by site, as at the end. */
#ifndef WEIR_BOX_CHECK_H
#define WEIR_BOX_CHECK_H

#include "shim/base/base.h"

enum check {
    CHECK_CLEAN,  /* nothing is leaked but what the program's own list suppresses */
    CHECK_LEAKED, /* something is */
    CHECK_UNSURE, /* it could not be found out: that was said */
};

/* `stack`: what is in use of the calling thread's stack lies from here on upwards, its registers too. Between
 * arena_within and arena_not_within. */
enum check check_now(uintptr_t stack);

/* The same of what was made since the latest mark, or ever where there is none: the blocks that leaked of it, and are
 * tracked, go to *blocks. */
enum check check_since_mark(uintptr_t stack, uint64_t *blocks);

#endif
