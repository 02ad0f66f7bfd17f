/* What the kernel keeps for the program and gives back: epoll's words, timers'. */
#ifndef WEIR_SCAN_KERNEL_H
#define WEIR_SCAN_KERNEL_H

#include "shim/base/base.h"

/* Marks as reached what they lead to. False: it could not be read in whole. */
bool kernel_mark(void);

#endif
