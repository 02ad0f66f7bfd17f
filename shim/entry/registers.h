/* For searches in the midst of the program: what its functions hold in registers is a root, too. */
#ifndef WEIR_ENTRY_REGISTERS_H
#define WEIR_ENTRY_REGISTERS_H

#include "shim/base/base.h"

/* The registers that belong to a function's caller, in the frame of who was called: `stack` lies below them, and
 * nothing that others have left behind is between. */
struct registers {
    uintptr_t rbx, rbp, r12, r13, r14, r15;
};
#define TAKE_REGISTERS(r)                                                                                              \
    __asm__ volatile("mov %%rbx, %0\n\tmov %%r12, %1\n\tmov %%r13, %2\n\tmov %%r14, %3\n\tmov %%r15, %4"               \
                     : "=m"((r).rbx), "=m"((r).r12), "=m"((r).r13), "=m"((r).r14), "=m"((r).r15));                     \
    (r).rbp = *(const uintptr_t *)FRAME

#endif
